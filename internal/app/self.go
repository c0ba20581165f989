package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/config"
)

// ErrSelf means that the configured upstream is the server itself.
var ErrSelf = errors.New("is this server's own address")

// checkSelf refuses a base URL that is the address at which this very program
// listens: README has clients export the variable that names our upstream, and serve
// in the same shell reads it. Who listens and how isn't known: nil, and nothing is
// refused. What leads here by a way that this can't see is found out by the first
// request (upstream.CameBack).
func checkSelf(variable, base string, listener net.Addr) error {
	if !leadsTo(base, listener) {
		return nil
	}
	return fmt.Errorf("%s %w (%s): it is for clients, and here it names what stands behind. Start without it: %s= fluxgate serve", variable, ErrSelf, listener, variable)
}

// checkProvider is checkSelf for an endpoint of FLUXGATE_PROVIDERS.
func checkProvider(p config.Provider, listener net.Addr) error {
	if !leadsTo(p.BaseURL, listener) {
		return nil
	}
	return fmt.Errorf("FLUXGATE_PROVIDERS: %s: its base_url %w (%s): want that of the provider", p.Name, ErrSelf, listener)
}

// leadsTo reports whether a URL leads to a listener, if it listens on TCP. Plain http is
// for loopback hosts (see config), and a listener of ours speaks nothing else, so
// these are the only names that are to be known.
func leadsTo(base string, listener net.Addr) bool {
	tcp, ok := listener.(*net.TCPAddr)
	u, err := url.Parse(base)
	if !ok || err != nil || u.Scheme != "http" {
		return false
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	if port != strconv.Itoa(tcp.Port) {
		return false
	}
	at := tcp.AddrPort().Addr().Unmap().WithZone("")
	if name := strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return at.IsLoopback() || at.IsUnspecified()
	}
	host, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return false
	}
	host = host.Unmap().WithZone("")
	return host == at || host.IsUnspecified() && at.IsLoopback() || at.IsUnspecified() && (host.IsLoopback() || host.IsUnspecified())
}
