package proxies

import (
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Proxies say by these that they passed a request on: in fromHeaders from where, in
// passedHeaders for what they were asked, which can be this machine too, in
// otherHeaders how, and in proxyHeaders that they did.
var (
	proxyHeaders = []string{"Via", "Cdn-Loop", "Tailscale-User-Login", "Ngrok-Trace-Id", "Cf-Ray", "Fly-Request-Id", "X-Azure-Ref", "X-Vercel-Id"}
	fromHeaders  = []string{
		"X-Forwarded-For", "X-Real-Ip", "Cf-Connecting-Ip", "True-Client-Ip", "X-Client-Ip", "X-Cluster-Client-Ip",
		"Fly-Client-Ip", "X-Envoy-External-Address", "X-Proxyuser-Ip", "X-Forwarded",
	}
	passedHeaders = []string{"X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host"}
	otherHeaders  = []string{
		"X-Forwarded-Proto", "X-Forwarded-Protocol", "X-Forwarded-Scheme", "X-Forwarded-Ssl", "X-Forwarded-Port", "X-Forwarded-Prefix",
		"X-Scheme", "X-Url-Scheme", "Front-End-Https",
	}
)

// Elsewhere reports whether a proxy says that a request comes from another machine, or
// that it passed it on and nothing of where from: a program of this machine that asks
// directly sends none of these headers, and whoever a proxy ends TLS for may be
// anywhere. What can't be read is taken for elsewhere.
func Elsewhere(h http.Header) bool {
	has := func(name string) bool { return len(h.Values(name)) > 0 }
	if slices.ContainsFunc(proxyHeaders, has) {
		return true
	}
	local := func(name string) bool {
		hosts := listed(h, name)
		return len(hosts) > 0 && !slices.ContainsFunc(hosts, func(host string) bool { return !Loopback(host) })
	}
	for _, name := range slices.Concat(fromHeaders, passedHeaders) {
		if has(name) && !local(name) {
			return true
		}
	}
	for _, line := range h.Values("Forwarded") {
		for element := range strings.SplitSeq(line, ",") {
			if !forLoopback(element) {
				return true
			}
		}
	}
	// They all say this machine, if they say anything.
	says := has("Forwarded") || slices.ContainsFunc(slices.Concat(fromHeaders, passedHeaders), has)
	return !says && slices.ContainsFunc(otherHeaders, has)
}

// plainPair is one pair of Forwarded (RFC 7239). A quoted string with a separator
// in it isn't one, since elements and pairs are split before.
var plainPair = regexp.MustCompile(`^[ \t]*([A-Za-z]+)=(?:([^" \t]+)|"([^"\\]*)")[ \t]*$`)

// forLoopback reports whether an element of Forwarded says that it is for this machine.
func forLoopback(element string) bool {
	said := false
	for pair := range strings.SplitSeq(element, ";") {
		m := plainPair.FindStringSubmatch(pair)
		if m == nil {
			return false
		}
		if strings.EqualFold(m[1], "for") {
			if !Loopback(m[2] + m[3]) {
				return false
			}
			said = true
		}
	}
	return said
}

// Hostname returns a Host header without its port, and without brackets if they are
// an IPv6 address's.
func Hostname(host string) string {
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

// Loopback reports whether a Host header names this machine.
func Loopback(host string) bool {
	host = Hostname(host)
	if slices.Contains(ownNames, strings.ToLower(host)) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
