package callers

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/config/origins"
	"fluxgate.dev/fluxgate/internal/secrets"
)

// Why a request isn't let in. Authenticate's errors match exactly one of these
// by errors.Is. Their texts, and what they wrap, hold no credential.
var (
	// ErrMissing: the request carries no credential.
	ErrMissing = errors.New("no token was given")
	// ErrWrong: the credential is no caller's token.
	ErrWrong = errors.New("the token is not known")
	// ErrConflict: the request carries different credentials.
	ErrConflict = errors.New("different tokens were given: send one")
	// ErrUnavailable: the tokens can't be read. It wraps the cause, which isn't
	// for callers to see.
	ErrUnavailable = errors.New("the tokens can't be read")
	// ErrUnguarded: no token is configured, and without one it isn't safe to
	// answer. The text says what an operator can do.
	ErrUnguarded = errors.New("nobody is let in")
	// ErrHost: no token is configured, and the request names another host than this
	// machine, or a proxy says that it comes from elsewhere. The text says what an
	// operator can do.
	ErrHost = errors.New("only this machine is let in")
	// ErrOrigin: no token is configured, and the request is a web page's that
	// FLUXGATE_CORS doesn't name.
	ErrOrigin = errors.New("web pages of other origins are not let in")
)

// A Caller is who sent a request.
type Caller struct {
	// Name is public: the token's, or in ModeIAM an email address or "iam", or
	// in ModeOpen "anonymous", or a scheduled job's "scheduler".
	Name string
	// Admin tells whether the caller may change the configuration: it came with
	// an administrator's token, or in ModeOpen, or is a scheduled job.
	Admin bool

	token *entry // that it came with; nil: none of the configured
}

// Proof returns a short text by which [Authenticator.Proven] recognises later, when the
// caller comes without its token, that the token is still one of its own. It tells nobody
// what the token is: sign makes it with a key that stays here. "" if there is no token.
func (c Caller) Proof(sign func(text string) string) string {
	if c.token == nil {
		return ""
	}
	return c.token.proof(sign)
}

const (
	// minReload is the least time between two readings of the secrets that
	// unknown tokens cause. One may be new; most are wrong.
	minReload = 30 * time.Second
	// reloadWait is how long a request with an unknown token waits for such a
	// reading.
	reloadWait = time.Second
)

// An Authenticator names the caller of a request by its token. It is safe for
// use by any number of goroutines.
//
// Tokens in secrets are read again when they are older than a TTL, and earlier when
// a request comes with one that isn't known. While they can't be read, the last
// ones hold. To take one back at once, change the secret and start new
// instances; otherwise it is gone within a TTL. A secret whose version is
// disabled or destroyed counts as holding none.
type Authenticator struct {
	mode          Mode
	tokenRequired bool // a request needs a token
	log           *slog.Logger
	pages         *http.CrossOriginProtection
	hosts         []string // that are this machine's besides loopback
	jobs          *jobVerifier

	sources []tokenSource // by role
	cache   *secrets.Cache[table]
	static  table // instead of cache, when no secret is named

	// compare is subtle.ConstantTimeCompare.
	compare func(a, b []byte) int
}

// New returns the authenticator of a configuration. Client may be nil when the
// configuration names no secret of tokens. Nothing is read yet; the error says
// what is wrong with the tokens that the configuration itself holds.
func New(cfg *config.Config, client secrets.Accessor, opts secrets.Options) (*Authenticator, error) {
	if opts.MinReload <= 0 {
		opts.MinReload = minReload
	}
	opts = opts.WithDefaults()
	a := &Authenticator{
		mode: ModeOf(cfg), log: opts.Logger, pages: http.NewCrossOriginProtection(), hosts: cfg.Hosts,
		sources: []tokenSource{
			{entries: cfg.Tokens, names: cfg.TokenSecretNames},
			{entries: cfg.AdminTokens, names: cfg.AdminTokenSecretNames, admin: true},
		},
		compare: subtle.ConstantTimeCompare,
	}
	a.tokenRequired = a.mode == ModeTokens || a.mode == ModeIAM && cfg.HasCallerTokens()
	for _, origin := range cfg.CORS {
		if origin == origins.Any {
			continue // means nothing without tokens
		}
		if err := a.pages.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("FLUXGATE_CORS: %w", err)
		}
	}
	var err error
	if a.jobs, err = newJobVerifier(context.Background(), cfg, http.DefaultTransport); err != nil {
		return nil, err
	}
	if len(cfg.TokenSecretNames)+len(cfg.AdminTokenSecretNames) == 0 {
		a.static, err = newTable(a.sources)
		return a, err
	}
	if client == nil {
		return nil, errors.New("tokens are in Secret Manager, but there is no client for it")
	}
	a.cache = secrets.NewCache(secrets.Source[table]{
		Name:    "tokens",
		Load:    func(ctx context.Context) (table, error) { return load(ctx, client, a.sources) },
		Changed: a.report,
	}, opts)
	return a, nil
}

// Open reports whether requests need no token because none is configured.
func (a *Authenticator) Open() bool { return a.mode == ModeOpen }

// Authenticate returns who sent r, or one of the errors above. It changes
// nothing of r; see [Strip].
func (a *Authenticator) Authenticate(r *http.Request) (Caller, error) {
	switch {
	case a.mode == ModeRefuse:
		return Caller{}, fmt.Errorf("%w: neither tokens are configured (FLUXGATE_TOKENS or FLUXGATE_TOKENS_SECRET)"+
			" nor does FLUXGATE_AUTH=iam state that IAM guards the service", ErrUnguarded)
	case a.mode == ModeOpen:
		if err := a.checkOpen(r); err != nil {
			return Caller{}, err
		}
		return Caller{Name: config.CallerAnonymous, Admin: true}, nil
	case a.mode == ModeIAM && a.jobs.matches(identityToken(r)):
		return Caller{Name: config.CallerScheduler, Admin: true}, nil
	case !a.tokenRequired:
		return a.callerByIAM(r), nil
	}
	token, err := a.credential(r)
	if err != nil {
		return Caller{}, err
	}
	return a.callerByToken(r.Context(), token, token == bearer(r.Header.Get(authorization)))
}

// credential returns the one credential that r carries.
func (a *Authenticator) credential(r *http.Request) (string, error) {
	switch all := credentials(r, a.mode != ModeIAM || overridden(r)); len(all) {
	case 0:
		return "", ErrMissing
	case 1:
		return all[0], nil
	}
	return "", ErrConflict
}

// callerByToken returns whose token it is. One that isn't known may be a job's, if it
// came as a bearer's.
func (a *Authenticator) callerByToken(ctx context.Context, token string, bearer bool) (Caller, error) {
	t, err := a.tokens(ctx)
	if err != nil {
		return Caller{}, err
	}
	digest := sha256.Sum256([]byte(token))
	if e, ok := t.find(digest, a.compare); ok {
		return e.caller(), nil
	}
	if bearer && a.mode == ModeTokens {
		switch job, err := a.jobs.verify(ctx, token); {
		case err != nil:
			return Caller{}, err
		case job:
			return Caller{Name: config.CallerScheduler, Admin: true}, nil
		}
	}
	if a.cache == nil {
		return Caller{}, ErrWrong
	}
	limited, cancel := context.WithTimeout(ctx, reloadWait)
	defer cancel()
	if t, err = a.cache.Reload(limited, "a token is not known"); err != nil {
		return Caller{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if e, ok := t.find(digest, a.compare); ok {
		return e.caller(), nil
	}
	return Caller{}, ErrWrong
}

// callerByIAM returns the caller that IAM has let in. An administrator's token
// makes it that administrator; any other credential is taken for what clients
// send because they insist on an API key.
func (a *Authenticator) callerByIAM(r *http.Request) Caller {
	if token, err := a.credential(r); err == nil && len(a.sources[1].entries)+len(a.sources[1].names) > 0 {
		if t, err := a.tokens(r.Context()); err == nil {
			if e, ok := t.find(sha256.Sum256([]byte(token)), a.compare); ok {
				return e.caller()
			}
		}
	}
	return Caller{Name: identityName(r)}
}

// Proven returns the caller of that name for whom something speaks that was handed to it
// before, if it still has the token that [Caller.Proof] was made of; with no proof, if
// it has any token. It is no administrator, whatever its token makes it. Where callers
// need no token, and so have none to lose, IAM lets every request in, or not.
func (a *Authenticator) Proven(ctx context.Context, name, proof string, sign func(text string) string) (Caller, bool) {
	t, err := a.tokens(ctx)
	if err != nil {
		return Caller{}, false
	}
	has := func(e entry) bool {
		return e.name == name && (proof == "" || subtle.ConstantTimeCompare([]byte(e.proof(sign)), []byte(proof)) == 1)
	}
	if !slices.ContainsFunc(t.entries, has) && (a.tokenRequired || proof != "") {
		return Caller{}, false
	}
	return Caller{Name: name}, true
}

// Reload reads the tokens again because an administrator asks for it: one may have been
// taken back. It does nothing where they are in no secret, or within 30 s of the last
// reading. The error says why there are none at all.
func (a *Authenticator) Reload(ctx context.Context, reason string) error {
	if a.cache == nil {
		return nil
	}
	if _, err := a.cache.Reload(ctx, reason); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

func (a *Authenticator) tokens(ctx context.Context) (table, error) {
	if a.cache == nil {
		return a.static, nil
	}
	t, err := a.cache.Get(ctx)
	if err != nil {
		return t, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return t, nil
}
