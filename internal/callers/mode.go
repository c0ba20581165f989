package callers

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
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
	case loopbackHost(r.Host), slices.Contains(hosts, strings.ToLower(hostname(r.Host))):
	case fromPage:
		return fmt.Errorf("%w: the page's own host name stands for this machine", ErrOrigin)
	default:
		return fmt.Errorf("%w: ask for localhost, name the host in FLUXGATE_HOSTS, or set FLUXGATE_TOKENS", ErrHost)
	}
	// A tunnel or a proxy on this machine lets others in, whom nobody has asked for a
	// token.
	if forwarded(r.Header) {
		return fmt.Errorf("%w: a proxy passes on requests from elsewhere; set FLUXGATE_TOKENS", ErrHost)
	}
	return nil
}

// Proxies say by these that they passed a request on. In passedHeaders they say from
// where, or what they were asked for, which can be this machine.
var (
	proxyHeaders  = []string{"Via", "Cdn-Loop", "Tailscale-User-Login"}
	passedHeaders = []string{
		"X-Forwarded-For", "X-Real-Ip", "Cf-Connecting-Ip", "True-Client-Ip", "X-Client-Ip", "X-Cluster-Client-Ip",
		"Fly-Client-Ip", "X-Envoy-External-Address", "X-Proxyuser-Ip",
		"X-Forwarded", "X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host",
	}
)

// forwarded reports whether a proxy says that a request comes from another machine.
// What can't be read is taken for that.
func forwarded(h http.Header) bool {
	if slices.ContainsFunc(proxyHeaders, func(name string) bool { return len(h.Values(name)) > 0 }) {
		return true
	}
	for _, name := range passedHeaders {
		for _, line := range h.Values(name) {
			for host := range strings.SplitSeq(line, ",") {
				if !loopbackHost(strings.TrimSpace(host)) {
					return true
				}
			}
		}
	}
	for _, line := range h.Values("Forwarded") {
		for element := range strings.SplitSeq(line, ",") {
			if !forLoopback(element) {
				return true
			}
		}
	}
	return false
}

// forwardedPair is one pair of Forwarded (RFC 7239). A quoted string with a separator
// in it isn't one, since elements and pairs are split before.
var forwardedPair = regexp.MustCompile(`^[ \t]*([A-Za-z]+)=(?:([^" \t]+)|"([^"\\]*)")[ \t]*$`)

// forLoopback reports whether an element of Forwarded says that it is for this machine.
func forLoopback(element string) bool {
	said := false
	for pair := range strings.SplitSeq(element, ";") {
		m := forwardedPair.FindStringSubmatch(pair)
		if m == nil {
			return false
		}
		if strings.EqualFold(m[1], "for") {
			if !loopbackHost(m[2] + m[3]) {
				return false
			}
			said = true
		}
	}
	return said
}

// hostname returns a Host header without its port, and without brackets if they are
// an IPv6 address's.
func hostname(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
		if inside, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(inside, "]") {
			name = strings.TrimSuffix(inside, "]")
		}
	}
	if strings.HasPrefix(host, "[") && !strings.Contains(name, ":") {
		return host
	}
	return name
}

// ownNames mean this machine: the last two are by what containers on it know it,
// which no name server outside gives out.
var ownNames = []string{"localhost", "host.docker.internal", "host.containers.internal"}

// loopbackHost reports whether a Host header names this machine.
func loopbackHost(host string) bool {
	host = hostname(host)
	if slices.Contains(ownNames, strings.ToLower(host)) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
