package app

import (
	"io"
	"log/slog"
	"time"

	"fluxgate.dev/fluxgate/internal/config"
)

// NewLogger returns a logger for where the program runs: JSON as Cloud Logging
// reads it on Google Cloud, readable lines elsewhere. With GEMINI_LOG=false only
// warnings and errors are logged.
func NewLogger(w io.Writer, cfg *config.Config) *slog.Logger {
	level := cfg.LogLevel
	if !cfg.Log {
		level = max(level, slog.LevelWarn)
	}
	if cfg.OnCloud() {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: cloudNames}))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: shortTime}))
}

// cloudNames renames what Cloud Logging knows under other names.
func cloudNames(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return short(a)
	}
	switch a.Key {
	case slog.MessageKey:
		a.Key = "message"
	case slog.LevelKey:
		a.Key = "severity"
		if a.Value.String() == slog.LevelWarn.String() {
			a.Value = slog.StringValue("WARNING")
		}
	}
	return short(a)
}

func shortTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		a.Value = slog.StringValue(a.Value.Time().Format("15:04:05.000"))
	}
	return short(a)
}

// short writes durations as people read them: JSON would have nanoseconds, and
// text nine digits of a second.
func short(a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		d := a.Value.Duration()
		if d >= time.Millisecond {
			d = d.Round(time.Millisecond)
		}
		a.Value = slog.StringValue(d.String())
	}
	return a
}
