package app

import (
	"context"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/effective"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/telemetry/otlp"
	"fluxgate.dev/fluxgate/storage"
)

// openTelemetry opens what the app is watched by. It is closed last, so that it
// hears of the end of everything else.
func (a *App) openTelemetry(ctx context.Context, cfg *config.Config, o Options) error {
	chain, _ := effective.Chain(cfg, storage.Control{})
	record, err := telemetry.New(ctx, telemetry.Options{
		Logger: o.Logger, Service: cfg.KService, Project: cfg.GoogleCloudProject, Models: chain,
		Traces: otlp.Traces, Metrics: otlp.Metrics,
	})
	if err != nil {
		return err
	}
	a.record = record
	a.onClose(record.Close)
	return nil
}
