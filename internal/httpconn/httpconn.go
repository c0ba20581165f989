package httpconn

import (
	"net/http"
	"time"
)

// EndAfterChunks has the connection end with a request whose body comes in chunks: it may have
// had a length as well, which net/http drops. What follows on the connection may be by that, to
// whoever passed it on (RFC 9112, section 6.1).
func EndAfterChunks(w http.ResponseWriter, r *http.Request) {
	if len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close")
	}
}

// BoundBody says how long a body may take to come from now on. One that no
// handler reads is read by net/http before it answers, for as long as it takes:
// who sends a byte now and then must not hold a connection indefinitely. Where there
// is no connection, as in tests, there is nothing to hold.
func BoundBody(w http.ResponseWriter, r *http.Request, limit time.Duration) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit))
}

// Abort cuts the connection, so that the caller sees that its answer isn't
// whole. A panic with http.ErrAbortHandler would not do where the connection can
// be had: functions-framework swallows it and ends the answer as if it were
// whole.
func Abort(w http.ResponseWriter) {
	out := http.NewResponseController(w)
	if conn, _, err := out.Hijack(); err == nil {
		_ = conn.Close()
		return
	}
	// HTTP/2 can't be hijacked; a deadline that is over resets the stream.
	if out.SetWriteDeadline(time.Unix(1, 0)) != nil {
		panic(http.ErrAbortHandler)
	}
}

// Unwrapped returns the writer of the connection. http.MaxBytesReader has it
// close the connection, by a method that no other writer can have.
func Unwrapped(w http.ResponseWriter) http.ResponseWriter {
	for {
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = inner.Unwrap()
	}
}
