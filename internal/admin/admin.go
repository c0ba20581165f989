package admin

import (
	"context"
	"log/slog"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/budget"
	"fluxgate.dev/fluxgate/internal/chain"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/history"
	"fluxgate.dev/fluxgate/internal/policy"
	"fluxgate.dev/fluxgate/internal/shadow"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/internal/usage"
)

// Tokens are those of callers, of which the authenticator keeps a list.
type Tokens interface {
	// Reload reads them again, for a reason that is logged.
	Reload(ctx context.Context, reason string) error
}

// Options are what an Admin works with. All but Tokens and Shadow are required.
type Options struct {
	Config     *config.Config
	Admission  *admission.Controller
	Dispatcher *dispatch.Dispatcher
	Keys       dispatch.KeySource
	Tokens     Tokens // nil: they are in no secret
	Providers  upstream.Providers
	Events     *events.Log
	Audit      *events.Audit
	Logger     *slog.Logger // of what is done for no request
	// Shadow counts what would have been. Nil: it is done as decided.
	Shadow *shadow.Counter
	Usage  *usage.Meter
	// Budgets are what callers may spend. Nil: nobody has one.
	Budgets *budget.Ledger
	// StoreKind is where quota is kept: memory or firestore.
	StoreKind string
}

// An Admin is the operators' side of one instance. It is safe for use by any number
// of goroutines.
type Admin struct {
	cfg       *config.Config
	admission *admission.Controller
	dispatch  *dispatch.Dispatcher
	chain     *chain.Chain
	keys      dispatch.KeySource
	tokens    Tokens // nil: none
	providers upstream.Providers
	events    *events.Log
	audit     *events.Audit
	log       *slog.Logger
	history   *history.Keeper
	policy    *policy.Keeper
	notebook  notebook
	freshly   freshness
	storeKind string
	shadow    *shadow.Counter
	usage     *usage.Meter
	budgets   *budget.Ledger
}

// New returns an Admin.
func New(o Options) *Admin {
	a := &Admin{
		cfg: o.Config, admission: o.Admission, dispatch: o.Dispatcher, chain: chain.New(o.Config, o.Admission, o.Dispatcher), keys: o.Keys, tokens: o.Tokens, providers: o.Providers, events: o.Events,
		audit: o.Audit, log: o.Logger, history: history.NewKeeper(o.Admission), shadow: o.Shadow, usage: o.Usage, budgets: o.Budgets, storeKind: o.StoreKind,
	}
	a.policy = policy.New(policy.Options{
		Store: o.Admission, Ask: a.ask, List: o.Dispatcher.ListModels, Chain: a.chainSet, Logger: o.Logger,
		Now: func() time.Time { return o.Admission.Now().Time() },
	})
	o.Dispatcher.KeepChain(a)
	return a
}
