package callers

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"fluxgate.dev/fluxgate/internal/config"
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
	// isn't a foreign web page's; any other is refused with ErrUnguarded or
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

// checkOpen returns why a request in ModeOpen is refused, or nil. A server that
// asks for no token is for programs of the same machine. Other machines reach it
// when it listens on more than loopback; web pages reach it through the browser
// of whoever visits them, unless their origin is trusted.
func (a *Authenticator) checkOpen(r *http.Request) error {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && !addr.IP.IsLoopback() {
		return fmt.Errorf("%w: no token is configured, so only this machine may use it, by a loopback address; set FLUXGATE_TOKENS", ErrUnguarded)
	}
	if err := a.pages.Check(r); err != nil {
		return fmt.Errorf("%w: %w", ErrOrigin, err)
	}
	// A page whose host name was made to point here looks like one of our own.
	fromPage := r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
	if fromPage && !loopbackHost(r.Host) {
		return fmt.Errorf("%w: the page's own host name stands for this machine", ErrOrigin)
	}
	return nil
}

// loopbackHost reports whether a Host header names this machine.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
