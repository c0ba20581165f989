package shadow

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// The headers of answers.
const (
	// Header is on every answer of a Fluxgate that only watches: "true".
	Header = "X-Fluxgate-Shadow"
	// WaitHeader is the wait in milliseconds that a request would have been told; "never" where no wait would have helped.
	WaitHeader = "X-Fluxgate-Shadow-Wait-Ms"
)

type headerKey struct{}

// Announce returns a handler whose answers say that Fluxgate only watches.
func Announce(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(Header, "true")
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), headerKey{}, w.Header())))
	})
}

// tell says in the answer to a request what it would have been told. The answer hasn't begun.
func tell(ctx context.Context, wait time.Duration, never bool) {
	h, ok := ctx.Value(headerKey{}).(http.Header)
	if !ok {
		return
	}
	text := "never"
	if !never {
		text = strconv.FormatInt(int64((wait+time.Millisecond-1)/time.Millisecond), 10)
	}
	h.Set(WaitHeader, text)
}
