package dispatch

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/admission/lasting"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/budget"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch/conversation"
	"fluxgate.dev/fluxgate/internal/dispatch/overload"
	"fluxgate.dev/fluxgate/internal/dispatch/placing"
	"fluxgate.dev/fluxgate/internal/dispatch/pool"
	"fluxgate.dev/fluxgate/internal/dispatch/standing"
	"fluxgate.dev/fluxgate/internal/dispatch/weights"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/recent"
	"fluxgate.dev/fluxgate/internal/requestlog"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/internal/shadow"
	"fluxgate.dev/fluxgate/internal/sharing"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/internal/usage"
	"fluxgate.dev/fluxgate/scheduler"
)

// A Pool is the keys as they are for one request.
type Pool = pool.Pool

// A KeySource is where the keys are had from; *keys.Pool is one.
type KeySource interface {
	Keys(ctx context.Context) ([]keys.Key, error)
	Reload(ctx context.Context, reason string) ([]keys.Key, error)
}

// Options are what a Dispatcher works with. All but Resend, Resources, Shadow and Telemetry are required.
type Options struct {
	Admission *admission.Controller
	Keys      KeySource
	Providers upstream.Providers
	Sharing   sharing.Table // which models share their limits
	Count     config.Count  // how requests are sized
	// Resend has every request sent again that may have been served and billed.
	Resend bool
	Audit  *events.Audit
	Logger *slog.Logger // of what is done for no request
	// Resources knows which caller has made what. Nil: everybody uses everything.
	Resources *resources.Registry
	// Telemetry records what happens to requests. Nil: nothing does.
	Telemetry *telemetry.Recorder
	// Shadow counts what would have been, where requests go whatever is decided. Nil: it is done as decided.
	Shadow *shadow.Counter
	// Usage counts what requests use. Nil: nothing does.
	Usage *usage.Meter
	// Budgets are what callers may spend. Nil: nobody has one.
	Budgets *budget.Ledger
}

// A ChainKeeper keeps the chain that the models list amounts to.
type ChainKeeper interface {
	// Retire notes when a model is shut down, as an answer said.
	Retire(ctx context.Context, model string, at time.Time) error
	// Relist has the list asked for again, for a model of the chain is gone. It is soon
	// over where that was done not long ago.
	Relist(ctx context.Context) error
}

// A Dispatcher dispatches requests on behalf of one instance. It is safe for use by
// any number of goroutines.
type Dispatcher struct {
	admission *admission.Controller
	keys      KeySource
	providers upstream.Providers
	count     config.Count
	resend    bool
	audit     *events.Audit
	log       *slog.Logger
	telemetry *telemetry.Recorder
	usage     *usage.Meter
	budgets   *budget.Ledger
	pool      atomic.Pointer[Pool]                   // of the keys as they were read last
	counted   *recent.Map[uint64, int64]             // tokens by request hash
	owners    *recent.Map[string, string]            // projects by the names of what they own
	resources *resources.Registry                    // callers by the same
	placer    *placing.Placer                        // in which project something is made
	looked    recent.Pace                            // for projects that couldn't pay, and may again
	listened  recent.Pace                            // to what upstream said to other instances
	silent    *recent.Map[string, int]               // how often in a row a project and model said nothing to what others answered
	itself    *recent.Map[string, int]               // how often in a row a redirected model answered itself
	triedOwn  *recent.Map[string, scheduler.Instant] // when a redirected model's own quota was tried
	// lastWords is what upstream said last of a model that isn't to be had, by the name
	// it was asked for, or of a feature, by the name of its calendar.
	lastWords *recent.Map[string, *upstream.Error]
	chain     ChainKeeper                    // nil: nobody
	retiring  *recent.Map[string, time.Time] // models that are shut down, and when

	conversations *conversation.Memory
	outputs       *weights.Book
	standing      *standing.Record
	overloads     *overload.Memory
	shadow        *shadow.Counter
}

// New returns a dispatcher.
func New(o Options) *Dispatcher {
	return &Dispatcher{
		admission: o.Admission, keys: o.Keys, providers: o.Providers, count: o.Count, resend: o.Resend, audit: o.Audit, log: o.Logger,
		telemetry: o.Telemetry, usage: o.Usage, budgets: o.Budgets, resources: o.Resources, placer: placing.New(o.Resources), counted: recent.New[uint64, int64](maxCounted), owners: recent.New[string, string](maxOwners), itself: recent.New[string, int](maxLastWords), silent: recent.New[string, int](maxSilent),
		triedOwn: recent.New[string, scheduler.Instant](maxLastWords), lastWords: recent.New[string, *upstream.Error](maxLastWords),
		retiring: recent.New[string, time.Time](maxLastWords), conversations: conversation.New(), outputs: weights.New(o.Providers, o.Sharing), standing: standing.NewRecord(), overloads: overload.New(), shadow: o.Shadow,
	}
}

// KeepChain has a keeper told what is found out about models of the chain. It is called
// once, before the first request.
func (d *Dispatcher) KeepChain(k ChainKeeper) { d.chain = k }

// maxSilent bounds of how many projects and models it is remembered that they said
// nothing.
const maxSilent = 1024

// maxLastWords bounds for how many models upstream's last word is remembered.
const maxLastWords = 64

// Pool returns the keys as they are now, of all providers.
func (d *Dispatcher) Pool(ctx context.Context) (*Pool, error) {
	list, err := d.keys.Keys(ctx)
	if err != nil {
		return nil, &apierror.Problem{Code: apierror.Unavailable, Public: "The keys can't be read, so nothing was sent. Please retry.", Cause: err}
	}
	if p := d.pool.Load(); p != nil && slices.Equal(p.Keys, list) {
		return p, nil
	}
	p := pool.New(list)
	d.pool.Store(p)
	return p, nil
}

// PoolOf returns those of one provider.
func (d *Dispatcher) PoolOf(ctx context.Context, provider string) (*Pool, error) {
	p, err := d.Pool(ctx)
	if err != nil {
		return nil, err
	}
	return p.Of(provider), nil
}

// Shared says by which name a model is counted that a call is for; nil: each by its own.
func (d *Dispatcher) Shared(c *Call) func(model string) string { return d.outputs.Shared(c.other) }

// Sharing is what is known of models of a call that share their limits with others; of Gemini's nothing is looked up.
func (d *Dispatcher) Sharing(ctx context.Context, p *Pool, c *Call, models []string) weights.Sharing {
	if c.other == nil {
		return weights.Sharing{Models: models}
	}
	view := func() ([]*scheduler.Project, error) { return d.admission.View(ctx, p.IDs()) }
	return d.outputs.Sharing(c.Snapshot, models, c.other, p, view, d.admission.Now())
}

// A Target is where a request is sent.
type Target struct {
	Key    keys.Key
	Model  string        // by the name it was asked for; "" where none matters
	Waited time.Duration // since the caller was first told to wait
	Tokens int64         // of the input, as it is reckoned with
	// Place is what a session extends as long as it goes on; nil: nothing was admitted.
	Place *lasting.Place

	provider upstream.Provider
}

// Provider is whom the key is for.
func (t Target) Provider() upstream.Provider { return t.provider }

// InOpenAIFormat returns the target as it is asked in OpenAI's format: some providers serve that
// at an endpoint of its own.
func (t Target) InOpenAIFormat() Target {
	if p, ok := t.provider.(upstream.Bilingual); ok {
		t.provider = p.InOpenAIFormat()
	}
	return t
}

// Context returns a context for a request to the provider with the target's key, and for another than Gemini of its model.
func (t Target) Context(ctx context.Context) context.Context {
	if _, model, ok := strings.Cut(t.Model, "/"); ok && t.Key.Of() != upstream.Gemini {
		ctx = upstream.WithModel(ctx, model)
	}
	return upstream.WithKey(ctx, t.Key.Value.Reveal())
}

// Classify says what an answer of the provider means that is no success.
func (t Target) Classify(status int, body []byte) *upstream.Error {
	return t.provider.Classify(status, body, t.Key.Value.Reveal())
}

// Limits returns what the headers of an answer of the provider say of its limits; nil: nothing.
func (t Target) Limits(h http.Header) []ratelimits.Limit {
	if p, ok := t.provider.(upstream.Limiter); ok {
		return p.Limits(h, time.Now())
	}
	return nil
}

func (d *Dispatcher) target(key keys.Key) Target {
	return Target{Key: key, provider: d.providers.Of(key.Provider)}
}

// logger returns the logger of a request.
func (d *Dispatcher) logger(ctx context.Context) *slog.Logger { return requestlog.From(ctx, d.log) }
