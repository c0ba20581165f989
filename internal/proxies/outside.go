package proxies

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// An Outside is how a caller reaches this server: what an URL of our own begins
// with. Proxies on the way say so, in Forwarded (RFC 7239) or in X-Forwarded-Proto,
// -Host and -Prefix.
//
// They are believed whoever sends them. The URLs that are made with them are in the
// answer to the very request that had them, and speak for its caller alone, for one
// upload and a day: who forges them, or the Host in their place, misleads only
// himself, and who could put them into another's request is on that caller's way
// here and sees its token anyway. A web page can't set them without FLUXGATE_CORS,
// and no answer with such a URL may be cached, since it is one to POST. So nobody is
// let in by them. (Without tokens, some of them keep a request out.)
//
// What isn't a scheme, a host or a plain path counts as not said.
type Outside struct{ scheme, host, prefix string }

// OutsideOf finds out how the caller of a request reached this server. Where several
// proxies said something, the first was the nearest to the caller.
func OutsideOf(r *http.Request) Outside {
	out := Outside{scheme: "http", host: r.Host}
	if r.TLS != nil {
		out.scheme = "https"
	}
	said := forwarded(r.Header)
	if scheme, ok := schemeIn(said["proto"], listed(r.Header, "X-Forwarded-Proto")); ok {
		out.scheme = scheme
	}
	for _, host := range []string{said["host"], first(listed(r.Header, "X-Forwarded-Host"))} {
		if validHost(host) {
			out.host = host
			break
		}
	}
	// Each proxy takes a prefix of its own off and adds it here, the first the outermost.
	for _, prefix := range listed(r.Header, "X-Forwarded-Prefix") {
		prefix = "/" + strings.Trim(prefix, "/")
		if prefix == "/" {
			continue
		}
		if !plainPrefix(prefix) || len(out.prefix)+len(prefix) > maxPrefix {
			out.prefix = ""
			break
		}
		out.prefix += prefix
	}
	return out
}

// URL returns the URL of a path of ours, as the caller reaches it.
func (o Outside) URL(path, query string) string {
	u := url.URL{Scheme: o.scheme, Host: o.host, Path: o.prefix + path, RawQuery: query}
	return u.String()
}

// schemeIn returns what Forwarded says, or else X-Forwarded-Proto, if it is a scheme.
func schemeIn(said string, listed []string) (scheme string, ok bool) {
	for _, s := range []string{said, first(listed)} {
		if s = strings.ToLower(s); s == "http" || s == "https" {
			return s, true
		}
	}
	return "", false
}

// listed returns the values of a header that is a list, in all its lines.
func listed(h http.Header, name string) []string {
	var all []string
	for _, line := range h[name] {
		for value := range strings.SplitSeq(line, ",") {
			if value = strings.TrimSpace(value); value != "" {
				all = append(all, value)
			}
		}
	}
	return all
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// forwardedPair is one pair of Forwarded with what separates it from the next.
var forwardedPair = regexp.MustCompile(`^[ \t]*([!#$%&'*+.^_` + "`" + `|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_` + "`" + `|~0-9A-Za-z:\[\]-]+)|"((?:[^"\\]|\\.)*)")[ \t]*([;,]|$)`)

// forwarded returns what Forwarded says, of each parameter what the proxy nearest to
// the caller said. A header that isn't as RFC 7239 has it says nothing. (Colons and
// brackets are to be in quotes; many forget them.)
func forwarded(h http.Header) map[string]string {
	said := make(map[string]string)
	for rest := strings.Join(h["Forwarded"], ","); rest != ""; {
		m := forwardedPair.FindStringSubmatch(rest)
		if m == nil {
			return nil
		}
		name := strings.ToLower(m[1])
		if _, ok := said[name]; !ok {
			said[name] = m[2] + unescape(m[3])
		}
		rest = rest[len(m[0]):]
	}
	return said
}

// unescape takes the backslashes out of a quoted string's inside.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

const (
	maxHost   = 255 + len(":65535")
	maxPrefix = 256
)

var (
	hostRule   = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9.])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$`)
	prefixRule = regexp.MustCompile(`^(?:/[A-Za-z0-9._~-]+)+$`)
)

// validHost tells whether a host, with its port or without, can only be one.
func validHost(host string) bool { return len(host) <= maxHost && hostRule.MatchString(host) }

// plainPrefix tells whether a prefix is a path that nobody reads otherwise.
func plainPrefix(prefix string) bool {
	dots := func(segment string) bool { return strings.Trim(segment, ".") == "" }
	return prefixRule.MatchString(prefix) && !slices.ContainsFunc(strings.Split(prefix[1:], "/"), dots)
}
