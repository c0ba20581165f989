package app

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/upstream/gemini"
	"fluxgate.dev/fluxgate/internal/validation"
	"fluxgate.dev/fluxgate/storage"
)

// What a check may find wrong.
var (
	ErrStore    = errors.New("the store can't be had")
	ErrSomeKeys = errors.New("not every key works: the report says which, and why")
	ErrNoneWork = errors.New("no key works: the report says why of each")
)

// Check writes to o.Report what Start would serve with, and what is wrong with it: the
// upstream, the callers, the store, each key, tried anew with a free request, and the limits
// in force. Nothing is served, and nothing stands in for keys. What was found of the keys is
// kept in the store, as after POST /validate. Without the store everything else is looked
// at all the same. The error is all that is wrong, or nil.
func Check(ctx context.Context, cfg *config.Config, o Options) (err error) {
	r := &report{w: o.Report}
	for _, w := range cfg.Warnings {
		r.line("warning: %s", w)
	}
	r.upstream(cfg)
	r.callers(cfg)
	opened := &App{store: o.Store}
	defer func() { err = errors.Join(err, opened.Close(context.WithoutCancel(ctx))) }()
	if o.Local != nil {
		opened.onClose(func(context.Context) error { return o.Local.Close() })
	}
	var unavailable error
	if opened.store == nil {
		unavailable = opened.openStore(ctx, cfg, o, r)
	}
	if unavailable == nil {
		unavailable = opened.reach(ctx, Options{}) // whoever checks is told soon
	}
	o.Store = opened.store
	if unavailable != nil {
		r.line("store: WRONG: %v", unavailable)
		unavailable = errors.Join(ErrStore, unavailable)
		o.Store = storage.NewMemory(nil)
		defer func() { err = errors.Join(err, o.Store.Close(context.WithoutCancel(ctx))) }()
	} else {
		r.line("store: it answers")
	}

	quiet := o
	quiet.Report, quiet.Local = nil, nil
	quiet.Logger = slog.New(slog.DiscardHandler) // what it would say is in the report
	a, err := Start(ctx, cfg, quiet)
	if err != nil {
		return errors.Join(unavailable, err)
	}
	defer func() { err = errors.Join(err, a.Close(context.WithoutCancel(ctx))) }()
	for _, w := range a.pool.Warnings(ctx) {
		r.line("warning: %s", w.Text)
	}
	found, err := a.introduce(ctx, r, "keys: trying each with a free request", a.admin.Validator().Run)
	if err != nil {
		return errors.Join(unavailable, err)
	}
	if found.Running {
		r.line("keys: another instance is trying them right now; this is what was found before")
	}
	return errors.Join(unavailable, ofKeys(found))
}

// ofKeys says what is wrong with keys as a whole. One that is spent for today, or that an
// operator has disabled, is as it should be.
func ofKeys(found validation.Report) error {
	wrong, working := 0, 0
	for _, k := range found.Keys {
		switch k.Status {
		case validation.Invalid, validation.Unknown:
			wrong++
		case validation.Healthy, validation.Exhausted:
			working++
		}
	}
	switch {
	case working == 0:
		return ErrNoneWork
	case wrong > 0:
		return ErrSomeKeys
	}
	return nil
}

func (r *report) upstream(cfg *config.Config) {
	if cfg.BaseURL != "" {
		r.line("upstream: %s", cfg.BaseURL)
		return
	}
	r.line("upstream: %s", gemini.DefaultBaseURL)
}

// callers tells who is let in, by names alone.
func (r *report) callers(cfg *config.Config) {
	names := map[string]bool{}
	for _, t := range cfg.Tokens {
		names[t.Name] = true
	}
	for _, t := range cfg.AdminTokens {
		names[t.Name+" (administrator)"] = true
	}
	for _, secret := range slices.Concat(cfg.TokenSecretNames, cfg.AdminTokenSecretNames) {
		names["those of "+secret] = true
	}
	switch {
	case len(names) > 0:
		r.line("callers: %s", strings.Join(slices.Sorted(maps.Keys(names)), ", "))
	case cfg.Auth == config.AuthIAM:
		r.line("callers: deployed, whom Cloud Run's IAM lets in; here, whoever is on this machine")
	default:
		r.line("callers: whoever is on this machine, for no token is configured; deployed, nobody")
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Callers)) {
		r.line("  %-32s %s (FLUXGATE_CALLERS)", name, cfg.Callers[name])
	}
}
