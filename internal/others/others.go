package others

import (
	"context"
	"log/slog"
	"time"

	"fluxgate.dev/fluxgate/internal/batchlines"
	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/providers"
	"fluxgate.dev/fluxgate/internal/requestlog"
	"fluxgate.dev/fluxgate/internal/routes"
)

// Options are what an Others works with. All but Providers, Files and Bodies are required.
type Options struct {
	Providers  providers.List
	Dispatcher *dispatch.Dispatcher
	// Files looks through what is uploaded. Nil: nobody does.
	Files *batchlines.Files
	// Bodies is what the bodies in flight may take. Nil: as much as there are.
	Bodies *bodies.Budget
	Logger *slog.Logger
}

// An Others serves requests that may go to another provider than Gemini.
type Others struct {
	providers providers.List
	dispatch  *dispatch.Dispatcher
	files     *batchlines.Files
	bodies    *bodies.Budget
	log       *slog.Logger
}

// New returns one.
func New(o Options) *Others {
	return &Others{providers: o.Providers, dispatch: o.Dispatcher, files: o.Files, bodies: o.Bodies, log: o.Logger}
}

// maxAsked bounds how many projects and things are asked for at a time.
const maxAsked = 8

// maxUpload bounds an upload.
const maxUpload = time.Hour

// Format is what a route's clients speak.
func Format(r *routes.Route) string {
	if r.Base == routes.Messages {
		return config.FormatAnthropic
	}
	return config.FormatOpenAI
}

// logger returns the logger of a request.
func (o *Others) logger(ctx context.Context) *slog.Logger { return requestlog.From(ctx, o.log) }
