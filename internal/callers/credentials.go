package callers

import (
	"encoding/base64"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/config"
)

// Headers that carry a credential, as http.CanonicalHeaderKey has them: they are looked up as they
// stand here.
const (
	authorization = "Authorization"
	apiKeyHeader  = "X-Goog-Api-Key"
	tokenHeader   = "X-Fluxgate-Token"
	// xAPIKey is where clients of Anthropic's have it, on the routes that begin with
	// anthropicPath alone: elsewhere it is some proxy's.
	xAPIKey       = "X-Api-Key"
	anthropicPath = "/anthropic/"
	// serverless is what Cloud Run checks instead of Authorization where both are
	// given. It leaves Authorization to the application.
	// https://docs.cloud.google.com/run/docs/authenticating/service-to-service
	serverless = "X-Serverless-Authorization"
)

// keyParameter is the query parameter that carries a credential.
const keyParameter = "key"

// credentials returns the different credentials that r carries, in any form and
// in no order that matters. Empty ones don't count. One that can't be decoded
// counts as it is: it is there, and it is wrong. Authorization is looked at only
// when asked for.
func credentials(r *http.Request, authorized bool) []string {
	var all []string
	add := func(s string) {
		if s = strings.TrimSpace(s); s != "" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	for _, name := range []string{apiKeyHeader, tokenHeader} {
		for _, value := range r.Header[name] {
			add(value)
		}
	}
	if r.URL != nil && strings.HasPrefix(r.URL.Path, anthropicPath) {
		for _, value := range r.Header[xAPIKey] {
			add(value)
		}
	}
	if authorized {
		for _, value := range r.Header[authorization] {
			add(fromAuthorization(value))
		}
	}
	if r.URL != nil {
		for p := range parameters(r.URL.RawQuery) {
			if p.name == keyParameter {
				// A '+' that was left as it is reads as a blank, which no token has.
				add(strings.ReplaceAll(p.value, " ", "+"))
			}
		}
	}
	return all
}

// fromAuthorization returns the token of a Bearer scheme, or the password of a
// Basic one. Other schemes can't hold a token of ours.
func fromAuthorization(value string) string {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToLower(scheme) {
	case "bearer":
		return rest
	case "basic":
		decoded, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return rest
		}
		_, password, _ := strings.Cut(string(decoded), ":")
		return password
	}
	return ""
}

// A parameter of a query.
type parameter struct {
	raw         string // as it stands between two '&'
	rawValue    string // as it stands after the '='
	name, value string // decoded, or raw where that isn't possible
}

// parameters returns the parameters of a query in their order. Unlike
// url.ParseQuery it leaves none out.
func parameters(query string) iter.Seq[parameter] {
	return func(yield func(parameter) bool) {
		if query == "" {
			return
		}
		for raw := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(raw, "=")
			if !yield(parameter{raw, value, decoded(name), decoded(value)}) {
				return
			}
		}
	}
}

func decoded(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// overridden reports whether Cloud Run has checked another header than
// Authorization, which is then free for a token.
func overridden(r *http.Request) bool { return r.Header.Get(serverless) != "" }

// identityToken returns the token that Cloud Run has checked.
func identityToken(r *http.Request) string {
	if overridden(r) {
		return bearer(r.Header.Get(serverless))
	}
	return bearer(r.Header.Get(authorization))
}

// identityName returns the name of a caller that IAM has let in: the email address
// in the identity token, or "iam" if there is none that can be a name. The
// token's signature isn't verified here. Cloud Run has done that and has taken
// it out, so the name is as good as FLUXGATE_AUTH=iam is true; a name and its
// limits depend on it, and whether it is a scheduled job.
func identityName(r *http.Request) string {
	if c, ok := claimsOf(identityToken(r)); ok {
		if name, ok := c.name(); ok {
			return name
		}
	}
	return config.CallerIAM
}
