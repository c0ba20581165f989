package callers

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/proxies"
)

// A Mode is what is asked of every request. GET /health is the server's to
// exempt.
type Mode string

// The modes.
const (
	// ModeTokens: a request needs one of the configured tokens.
	ModeTokens Mode = "tokens"
	// ModeIAM: Cloud Run's IAM has let the request in. It is known by the email
	// address of its identity token, unless callers' tokens are configured too:
	// then it needs one of those besides.
	ModeIAM Mode = "iam"
	// ModeOpen: nothing is asked of a request that comes from this machine and
	// isn't a foreign web page's; any other is refused with ErrUnguarded, ErrHost or
	// ErrOrigin.
	ModeOpen Mode = "open"
	// ModeRefuse: every request is refused with ErrUnguarded.
	ModeRefuse Mode = "refuse"
)

// ModeOf returns the mode of a configuration:
//
//	            | tokens | FLUXGATE_AUTH=iam | neither
//	Cloud Run   | tokens | iam               | refuse
//	elsewhere   | tokens | tokens or open    | open
//
// With both, iam it is; see [ModeIAM]. Tokens are callers' or administrators',
// by value or by the name of a secret. Elsewhere FLUXGATE_AUTH=iam has no
// effect, because there nobody checks identities.
func ModeOf(cfg *config.Config) Mode {
	switch {
	case cfg.OnCloud() && cfg.Auth == config.AuthIAM:
		return ModeIAM
	case cfg.HasTokens():
		return ModeTokens
	case cfg.OnCloud():
		return ModeRefuse
	}
	return ModeOpen
}

// checkOpen returns why a request in ModeOpen is refused, or nil.
func (a *Authenticator) checkOpen(r *http.Request) error { return CheckLocal(r, a.pages, a.hosts) }

// CheckLocal returns why a request is none of a program of this machine, or nil: one of
// ErrUnguarded, ErrOrigin and ErrHost. A server that asks for no token is for programs of
// the same machine. Other machines reach it when it listens on more than loopback; web
// pages reach it through the browser of whoever visits them, unless pages trusts their
// origin. Hosts, in lower case, are names of this machine besides loopback's.
func CheckLocal(r *http.Request, pages *http.CrossOriginProtection, hosts []string) error {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && !addr.IP.IsLoopback() {
		return fmt.Errorf("%w: no token is configured, so only this machine may use it, by a loopback address; set FLUXGATE_TOKENS", ErrUnguarded)
	}
	// Check lets every GET pass, but these answer with what is the operator's, and some
	// of them ask upstream.
	asked := *r
	asked.Method = http.MethodPost
	if err := pages.Check(&asked); err != nil {
		return fmt.Errorf("%w: %w", ErrOrigin, err)
	}
	// A page whose host name was made to point here looks like one of our own, and
	// with an old browser it may come without any header of a page's.
	fromPage := r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
	switch {
	case proxies.Loopback(r.Host), slices.Contains(hosts, strings.ToLower(proxies.Hostname(r.Host))):
	case fromPage:
		return fmt.Errorf("%w: the page's own host name stands for this machine", ErrOrigin)
	default:
		return fmt.Errorf("%w: ask for localhost, name the host in FLUXGATE_HOSTS, or set FLUXGATE_TOKENS", ErrHost)
	}
	// A tunnel or a proxy on this machine lets others in, whom nobody has asked for a
	// token.
	if proxies.Elsewhere(r.Header) {
		return fmt.Errorf("%w: a proxy passes on requests from elsewhere; set FLUXGATE_TOKENS", ErrHost)
	}
	return nil
}
