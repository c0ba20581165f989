package callers

import (
	"net/http"
	"strings"
)

// EphemeralToken returns the ephemeral token that a request carries, where Google's clients
// put one: Authorization: Token, or ?access_token= from pages, which can set no header. ""
// says that there is none, or more than one.
func EphemeralToken(r *http.Request) string {
	found := ""
	add := func(token string) bool {
		token = strings.TrimSpace(token)
		if token == "" || token == found {
			return true
		}
		ok := found == ""
		found = token
		return ok
	}
	for _, value := range r.Header.Values(authorization) {
		if scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " "); strings.EqualFold(scheme, "token") && !add(rest) {
			return ""
		}
	}
	for p := range parameters(r.URL.RawQuery) {
		if p.name == "access_token" && !add(p.value) {
			return ""
		}
	}
	return found
}
