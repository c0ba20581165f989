package callers

import (
	"net/http"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/config/origins"
)

const (
	// corsMethods are the methods of all routes together.
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	// corsMaxAge is how long a browser may remember a preflight, in seconds. None
	// of them remembers one for longer than a day, and Chromium two hours.
	corsMaxAge = "7200"
	// maxRequestHeaders bounds the list of headers that is repeated to a
	// preflight, in bytes.
	maxRequestHeaders = 4 << 10
)

// exposedHeaders are the response headers that scripts of an allowed origin may
// read, besides those that every script may. A browser knows no wildcard for
// part of a name.
var exposedHeaders = []string{
	"RateLimit", "RateLimit-Policy", "Retry-After", "Retry-After-Ms", "X-Fluxgate-Retry-Ms", "X-Should-Retry",
	"X-Fluxgate-Booked", "X-Fluxgate-Free-Model", "X-Fluxgate-Key", "X-Fluxgate-Model", "X-Fluxgate-Request-Id", "X-Fluxgate-Ticket", "X-Fluxgate-Wait",
	"X-Fluxgate-Shadow", "X-Fluxgate-Shadow-Wait-Ms", "X-Gemini-Service-Tier",
	"X-Goog-Upload-Chunk-Granularity", "X-Goog-Upload-Control-Url", "X-Goog-Upload-Size-Received",
	"X-Goog-Upload-Status", "X-Goog-Upload-Url", "X-Request-Id",
}

// CORS lets scripts of web pages of the given origins use next, each as
// FLUXGATE_CORS has it; [origins.Any] lets those of every origin. Without
// origins it is next. It answers preflights itself, since they carry no token,
// and so stands before authentication.
//
// Credentials in the sense of CORS, that is cookies and logins of the browser,
// are never allowed: a script sends its token itself.
func CORS(allow origins.List, next http.Handler) http.Handler {
	if len(allow) == 0 {
		return next
	}
	every := slices.Contains(allow, origins.Any)
	exposed := strings.Join(exposedHeaders, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Add("Vary", "Origin") // also for those that send none: a cache must not mix them
		origin := r.Header.Get("Origin")
		allowed := origin != "" && (every || slices.Contains(allow, origin))
		if allowed {
			h.Set("Access-Control-Allow-Origin", origin)
		}
		method := r.Header.Get("Access-Control-Request-Method")
		if r.Method != http.MethodOptions || origin == "" || method == "" {
			if allowed {
				h.Set("Access-Control-Expose-Headers", exposed)
			}
			next.ServeHTTP(w, r)
			return
		}
		h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
		if allowed {
			h.Set("Access-Control-Allow-Methods", corsMethods)
			h.Set("Access-Control-Max-Age", corsMaxAge)
			// Clients send headers of their own (x-stainless-…): none of them is
			// refused for its name.
			if names := requestHeaders(r); names != "" {
				h.Set("Access-Control-Allow-Headers", names)
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// requestHeaders returns the names that a preflight asks for, or nothing if they
// aren't names.
func requestHeaders(r *http.Request) string {
	names := strings.Join(r.Header.Values("Access-Control-Request-Headers"), ", ")
	odd := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_, ", c)
	}
	if len(names) > maxRequestHeaders || strings.ContainsFunc(names, odd) {
		return ""
	}
	return names
}
