package callers

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// credentialHeaders may hold a credential or an identity, of ours or of anybody
// who stands before us. Referer is among them because a browser puts the URL of
// a page there, with its query.
var credentialHeaders = []string{
	authorization, apiKeyHeader, tokenHeader, serverless,
	"Api-Key", "Cookie", "Cookie2", "Proxy-Authorization", "Referer", xAPIKey,
	"X-Forwarded-Authorization", "X-Goog-Iap-Jwt-Assertion",
}

// credentialParameters are the query parameters that hold one, for us or for
// Google's API, in lower case and without the '$' that Google allows before
// them. https://docs.cloud.google.com/apis/docs/system-parameters
var credentialParameters = []string{keyParameter, "access_token", "api_key", "apikey", "bearer_token", "oauth_token"}

// minScanned is the shortest credential that is looked for in other places, in
// bytes. It is the length of the shortest token; what clients send that insist
// on an API key is often shorter and occurs by accident.
const minScanned = 16

// Strip takes every credential off r, valid or not, so that what is left may be
// forwarded and logged: headers and trailers, cookies, query parameters, the
// user in the URL, and what has been parsed from the query. Headers and query
// parameters of other names go too when they repeat the credential, as those do
// in which proxies keep the URL (X-Original-Url). The rest of the query keeps its
// bytes and its order.
//
// The body isn't touched, and neither is the path.
func Strip(r *http.Request) {
	repeated := spellings(r)
	stripHeader(r.Header, repeated)
	stripHeader(r.Trailer, repeated)
	for _, form := range []url.Values{r.Form, r.PostForm} {
		for name, values := range form {
			if credentialParameter(name) || slices.ContainsFunc(values, func(v string) bool { return containsAny(v, repeated) }) {
				delete(form, name)
			}
		}
	}
	if r.URL == nil {
		return
	}
	r.URL.User = nil
	r.URL.RawQuery = stripQuery(r.URL.RawQuery, repeated)
	r.URL.RawFragment, r.URL.Fragment = "", ""
	if r.RequestURI != "" && r.RequestURI != "*" && r.Method != http.MethodConnect {
		r.RequestURI = r.URL.RequestURI()
	}
}

// spellings returns the texts by which the credentials of r would be recognised
// elsewhere.
func spellings(r *http.Request) []string {
	var all []string
	for _, c := range credentials(r, true) {
		if len(c) < minScanned {
			continue
		}
		all = append(all, c)
		if escaped := url.QueryEscape(c); escaped != c { // or a path has it as it is, too
			all = append(all, escaped, url.PathEscape(c))
		}
	}
	// The same as they are spelt here.
	for _, value := range slices.Concat(r.Header[authorization], r.Header[serverless]) {
		if _, rest, _ := strings.Cut(strings.TrimSpace(value), " "); len(rest) >= minScanned {
			all = append(all, strings.TrimSpace(rest))
		}
	}
	if r.URL != nil {
		for p := range parameters(r.URL.RawQuery) {
			if p.name == keyParameter && len(p.rawValue) >= minScanned {
				all = append(all, p.rawValue)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// containsAny reports whether text has any of the texts in it, as it is or percent
// encoded in a way of its own.
func containsAny(text string, any []string) bool {
	within := func(text string) bool {
		return slices.ContainsFunc(any, func(s string) bool { return strings.Contains(text, s) })
	}
	if within(text) {
		return true
	}
	if !strings.Contains(text, "%") {
		return false
	}
	plain, err := url.PathUnescape(text) // other than a query's, it leaves '+' alone
	return err == nil && plain != text && within(plain)
}

func stripHeader(h http.Header, repeated []string) {
	for name, values := range h {
		carries := func(credential string) bool {
			return len(credential) == len(name) && strings.EqualFold(credential, name)
		}
		if slices.ContainsFunc(credentialHeaders, carries) ||
			slices.ContainsFunc(values, func(v string) bool { return containsAny(v, repeated) }) {
			delete(h, name)
		}
	}
}

func stripQuery(query string, repeated []string) string {
	var kept []string
	for p := range parameters(query) {
		if !credentialPair(p.raw) && !containsAny(p.raw, repeated) {
			kept = append(kept, p.raw)
		}
	}
	return strings.Join(kept, "&")
}

// credentialPair reports whether what stands between two '&' sets a credential
// for anybody who reads it: some take ';' for a separator too.
func credentialPair(raw string) bool {
	for part := range strings.SplitSeq(raw, ";") {
		name, _, _ := strings.Cut(part, "=")
		if credentialParameter(decoded(name)) {
			return true
		}
	}
	return false
}

func credentialParameter(name string) bool {
	name = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(name)), "$")
	return slices.Contains(credentialParameters, name)
}
