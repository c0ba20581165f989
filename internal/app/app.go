package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/internal/admin"
	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/batchlines"
	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/budget"
	"fluxgate.dev/fluxgate/internal/callers"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/effective"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/heap"
	"fluxgate.dev/fluxgate/internal/jobs"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/providers"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/internal/secrets"
	"fluxgate.dev/fluxgate/internal/secrets/gcpsecrets"
	"fluxgate.dev/fluxgate/internal/server"
	"fluxgate.dev/fluxgate/internal/shadow"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/internal/upstream/arrival"
	"fluxgate.dev/fluxgate/internal/upstream/endpoint"
	"fluxgate.dev/fluxgate/internal/upstream/gemini"
	"fluxgate.dev/fluxgate/internal/usage"
	"fluxgate.dev/fluxgate/internal/usage/price"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// Options say what an App may do beyond its configuration.
type Options struct {
	Logger *slog.Logger
	// Local, if not nil, starts what is missing on a developer's machine. With it the
	// app also asks Gemini for its models and limits in the background. The app
	// closes it.
	Local Local
	// Report, if not nil, gets the startup report. For it, and with Local, every key
	// is checked with a free request, unless that was done within a day.
	Report io.Writer
	// Transport, if not nil, carries requests to Gemini and all other providers.
	Transport http.RoundTripper
	// Token, if not nil, returns OAuth tokens of this program's identity, instead of
	// Application Default Credentials.
	Token func(context.Context) (string, error)
	// Listener, if not nil, is the address at which the app is served. A configuration
	// whose Gemini is at that same address is refused.
	Listener net.Addr
	// Store, if not nil, is used instead of the configured one, and stays the
	// caller's to close.
	Store storage.Store
}

// A Local stands in for what is not configured. internal/devserver has one.
type Local interface {
	// Providers starts all providers until Close, for a configuration without keys, and
	// returns the configuration that uses them.
	Providers(cfg *config.Config) (*config.Config, error)
	// MissingForFirestore returns nil, or what is not installed that Firestore needs.
	MissingForFirestore() error
	// Firestore starts a Firestore emulator until Close and returns its host:port.
	Firestore(ctx context.Context) (host string, err error)
	Close() error
}

// An App is Fluxgate, ready to serve.
type App struct {
	handler http.Handler
	store   storage.Store
	closers []func(context.Context) error // in order of start
	pool    *keys.Pool
	secrets secrets.Accessor // nil: not opened
	record  *telemetry.Recorder
	others  providers.List           // beside Gemini
	paths   map[string]*arrival.Path // to them
	cfg     *config.Config
	bodies  *bodies.Budget
	audit   atomic.Pointer[events.Audit] // nil: not yet

	admission *admission.Controller
	admin     *admin.Admin
	storeKind string          // memory or firestore; "": the caller's own
	shadow    *shadow.Counter // nil: Fluxgate does what it decides

	stopSessions func(context.Context) error
}

// Start builds an app. On an error everything that it started is stopped.
func Start(ctx context.Context, cfg *config.Config, o Options) (_ *App, err error) {
	a := new(App)
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close(context.WithoutCancel(ctx)))
		}
	}()
	for _, w := range cfg.Warnings {
		o.Logger.Warn("configuration", "warning", w)
	}
	heap.KeepFloor()
	budget, err := bodyBudget(cfg, o)
	if err != nil {
		return nil, err
	}
	a.bodies = bodies.New(budget)
	if err := a.openTelemetry(ctx, cfg, o); err != nil {
		return nil, err
	}
	banner := &report{w: o.Report}
	if o.Local != nil {
		a.onClose(func(context.Context) error { return o.Local.Close() })
	}
	if o.Local != nil && cfg.Demo != config.DemoOff && len(cfg.Keys) == 0 && len(cfg.SecretNames) == 0 {
		if cfg, err = o.Local.Providers(cfg); err != nil {
			return nil, err
		}
		if o.Report == nil {
			// Whoever silenced the report still has to hear of this.
			o.Logger.Warn("no key is configured: answers come from simulated providers", "address", cfg.BaseURL)
		}
	}
	for variable, base := range map[string]string{
		"GOOGLE_GEMINI_BASE_URL": cfg.BaseURL, "OPENAI_BASE_URL": cfg.OpenAIBaseURL, "ANTHROPIC_BASE_URL": cfg.AnthropicBaseURL,
	} {
		if err := checkSelf(variable, base, o.Listener); err != nil {
			return nil, err
		}
	}
	for _, p := range cfg.Providers {
		if err := checkProvider(p, o.Listener); err != nil {
			return nil, err
		}
	}
	if a.store = o.Store; a.store == nil {
		if err := a.openStore(ctx, cfg, o, banner); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	if err := a.reach(ctx, o); err != nil {
		return nil, err
	}
	if err := a.openKeys(ctx, cfg, o); err != nil {
		return nil, err
	}
	authenticator, err := a.openCallers(ctx, cfg, o)
	if err != nil {
		return nil, err
	}
	server, err := a.assemble(ctx, cfg, o, authenticator)
	if err != nil {
		return nil, err
	}
	a.handler = callers.CORS(cfg.CORS, server)
	if cfg.Shadow {
		a.handler = shadow.Announce(a.handler)
	}
	if o.Local != nil || o.Report != nil {
		how := "keys: checking them with a free request each, unless that was done within a day"
		if _, err := a.introduce(ctx, banner, how, a.admin.Validator().Ensure); err != nil {
			return nil, err
		}
	}
	if o.Local != nil && cfg.Policy == config.PolicyAsk && a.asksGemini(ctx) {
		a.refreshPolicy(ctx, o)
	}
	return a, nil
}

// assemble puts together what serves requests, from the store upwards.
func (a *App) assemble(ctx context.Context, cfg *config.Config, o Options, authenticator *callers.Authenticator) (_ *server.Server, err error) {
	a.paths = make(map[string]*arrival.Path)
	for _, p := range cfg.AllProviders() {
		a.paths[p.Name] = new(arrival.Path)
	}
	limits, weights := make(map[string]scheduler.Override, len(cfg.Callers)), make(map[string]int64)
	for name, l := range cfg.Callers {
		if l.Limits != (config.Limits{}) {
			limits[name] = scheduler.Override(l.Limits)
		}
		if l.Weight > 0 {
			weights[name] = l.Weight
		}
	}
	a.admission, err = admission.New(ctx, admission.Options{
		Store: a.record.Store(a.store),
		Rules: func(c storage.Control) *scheduler.Rules {
			return effective.Rules(cfg, c, a.pool.Tiers()).Nearer(a.near())
		},
		Mode:    func(c storage.Control) scheduler.Mode { return effective.Mode(cfg, c) },
		Callers: limits,
		Shared:  !authenticator.Open(),
		Weights: weights,
	})
	if err != nil {
		return nil, err
	}
	a.pool.OnTiers(a.admission.Renew)
	for _, p := range a.paths {
		p.Apart(a.apart)
		p.OnChange(a.admission.Renew)
	}
	client, err := gemini.New(gemini.Config{BaseURL: cfg.BaseURL, Transport: o.Transport, Token: o.Token})
	if err != nil {
		return nil, fmt.Errorf("upstream client: %w", err)
	}
	if err := a.checkIdentity(ctx, client); err != nil {
		return nil, err
	}
	if cfg.Shadow {
		o.Logger.Warn(shadowed)
		a.shadow = shadow.NewCounter(a.admission.Now().Time())
		a.record.Shadow()
	}
	a.cfg, a.others = cfg, cfg.AllProviders()
	all, err := endpoints(a.others, a.paths, o)
	if err != nil {
		return nil, err
	}
	all[gemini.Name] = client
	log := events.NewLog(a.admission)
	now := func() time.Time { return a.admission.Now().Time() }
	audit := events.NewAudit(log, now, o.Logger)
	a.audit.Store(audit)
	mayBeSpent := make(map[string]budget.Limits)
	for name, l := range cfg.Callers {
		mayBeSpent[name] = budget.Limits(l.Budget)
	}
	budgets := budget.New(budget.Options{Records: a.admission, Now: a.admission.Now, Budgets: mayBeSpent, Prices: price.Table(cfg.Prices)})
	used := usage.New(usage.Options{Records: a.admission, Now: now, Prices: price.Table(cfg.Prices), Budgets: budgets})
	kept := resources.Options{Records: a.admission, Now: now, Logger: o.Logger, Shared: cfg.Resources == config.ResourcesShared}
	owned := resources.Of(!authenticator.Open(), kept)
	dispatcher := dispatch.New(dispatch.Options{
		Admission: a.admission, Keys: a.pool, Providers: all, Sharing: cfg.Sharing(), Count: cfg.Count, Resend: cfg.Resend, Audit: audit, Logger: o.Logger, Telemetry: a.record, Shadow: a.shadow, Usage: used, Budgets: budgets, Resources: owned,
	})
	a.admin = admin.New(admin.Options{
		Config: cfg, Admission: a.admission, Dispatcher: dispatcher, Keys: a.pool, Tokens: authenticator, Providers: all, Events: log, Audit: audit,
		Logger: o.Logger, Shadow: a.shadow, Usage: used, Budgets: budgets, StoreKind: a.storeKind,
	})
	a.onClose(func(ctx context.Context) error {
		a.admin.FlushUsage(ctx)
		return nil
	})
	s := server.New(server.Options{
		Config: cfg, Admission: a.admission, Dispatcher: dispatcher, Admin: a.admin, Callers: authenticator, Files: batchlines.New(owned, kept), Logger: o.Logger,
		Telemetry: a.record, Bodies: a.bodies, Others: a.others,
		Jobs: jobs.New(jobs.Options{Records: a.admission, Now: now, Logger: o.Logger, Usage: used, Budgets: budgets, Telemetry: a.record}),
	})
	a.onClose(s.StopSessions)
	a.stopSessions = s.StopSessions
	return s, nil
}

// maxTokens is the member that bounds the output of chat completions, where it isn't max_tokens:
// OpenAI's newer models refuse that. https://platform.openai.com/docs/api-reference/chat/create
var maxTokens = map[string]string{"openai": "max_completion_tokens"}

// endpoints returns the clients of other providers than Gemini.
func endpoints(others providers.List, paths map[string]*arrival.Path, o Options) (upstream.Providers, error) {
	all := make(upstream.Providers, len(others)+1)
	for _, p := range others {
		c, err := endpoint.New(endpoint.Config{
			Name: p.Name, Format: endpoint.Format(p.Format), BaseURL: p.BaseURL, Header: p.Header, Chats: p.Chats(), Version: p.APIVersion, MaxTokens: maxTokens[p.Name], Transport: o.Transport, Path: paths[p.Name],
		})
		if err != nil {
			return nil, fmt.Errorf("upstream client: %w", err)
		}
		all[p.Name] = c
	}
	return all, nil
}

// asksGemini reports whether there may be a key of Gemini's.
func (a *App) asksGemini(ctx context.Context) bool {
	list, err := a.pool.Keys(ctx)
	return err != nil || slices.ContainsFunc(list, func(k keys.Key) bool { return k.Provider == upstream.Gemini })
}

// refreshPolicy has Gemini asked for its models and limits, if that is due. Its
// answer takes seconds, which nobody has to wait for: there is a processor
// between requests here, unlike on a function, where a schedule has it done.
func (a *App) refreshPolicy(ctx context.Context, o Options) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, _, err := a.admin.RefreshPolicy(ctx, false); err != nil && ctx.Err() == nil {
			o.Logger.Warn("policy not refreshed", "error", err)
		}
	})
	a.onClose(func(context.Context) error {
		cancel()
		wg.Wait()
		return nil
	})
}

// ServeHTTP implements http.Handler.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

func (a *App) openKeys(ctx context.Context, cfg *config.Config, o Options) error {
	var names []string // of other providers than Gemini
	for _, p := range cfg.AllProviders() {
		names = append(names, p.Name)
	}
	source := keys.FromEnv(cfg.Keys)
	if len(cfg.SecretNames) > 0 {
		client, err := a.secretClient(ctx)
		if err != nil {
			return err
		}
		source = keys.FromSecrets(client, cfg.SecretNames, names...)
	}
	a.pool = keys.NewPool(source, keys.Options{TTL: cfg.SecretsTTL, Logger: o.Logger})
	list, err := a.pool.Keys(ctx)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	if len(list) == 0 {
		return ErrNoKeys
	}
	return nil
}

// checkIdentity fails where a project is to be called without a key and this program has
// no identity at Google.
func (a *App) checkIdentity(ctx context.Context, client *gemini.Client) error {
	list, err := a.pool.Keys(ctx)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	for _, k := range list {
		if !k.WithoutKey() {
			continue
		}
		if err := client.CheckIdentity(ctx); err != nil {
			return fmt.Errorf("project %s has no key, and there is no Google identity to call it by (on a machine of yours: gcloud auth application-default login): %w", k.Project, err)
		}
		return nil
	}
	return nil
}

// secretClient returns the client of Secret Manager, made on first use: keys and
// tokens share it.
func (a *App) secretClient(ctx context.Context) (secrets.Accessor, error) {
	if a.secrets == nil {
		client, err := gcpsecrets.Open(context.WithoutCancel(ctx)) // it outlives the start
		if err != nil {
			return nil, fmt.Errorf("open Secret Manager: %w", err)
		}
		a.onClose(func(context.Context) error { return client.Close() })
		a.secrets = client
	}
	return a.secrets, nil
}

// openCallers opens the authenticator of callers.
func (a *App) openCallers(ctx context.Context, cfg *config.Config, o Options) (*callers.Authenticator, error) {
	var client secrets.Accessor
	if len(cfg.TokenSecretNames)+len(cfg.AdminTokenSecretNames) > 0 {
		opened, err := a.secretClient(ctx)
		if err != nil {
			return nil, err
		}
		client = opened
	}
	authenticator, err := callers.New(cfg, client, secrets.Options{TTL: cfg.SecretsTTL, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("callers' tokens: %w", err)
	}
	return authenticator, nil
}

// Starting waits for a store that can't be reached yet: a fresh connection may
// take a moment, and an emulator that has just been started several.
const (
	reachTimeout      = 9 * time.Second
	reachTimeoutLocal = time.Minute
	reachPause        = 200 * time.Millisecond
)

// reach waits until the store answers.
func (a *App) reach(ctx context.Context, o Options) error {
	limit := reachTimeout
	if o.Local != nil {
		limit = reachTimeoutLocal
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		_, err := a.store.Control(ctx)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, storage.ErrUnavailable):
			return fmt.Errorf("reach the store: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("reach the store: %w", err)
		case <-time.After(reachPause):
		}
	}
}
