package main

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Bounds of what is read of a body that an answer has refused, and thrown away.
const (
	unwantedTime  = 30 * time.Second
	unwantedBytes = 32 << 20
	// unwantedLeast is how large a body is announced of which anything is read: net/http
	// reads on by itself what is less.
	unwantedLeast = 256 << 10
)

// readUnwanted returns a handler that answers as next does, and reads on what next has left of a
// large body once the answer is sent, and keeps nothing of it. Many clients write all of a body
// before they read. Were the connection closed meanwhile, as net/http does, it would be
// reset, and such a client wouldn't find the answer, which says when to come again.
func readUnwanted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength <= unwantedLeast || r.ProtoMajor != 1 || r.Header.Get("Expect") != "" {
			next.ServeHTTP(w, r)
			return
		}
		body := &begunBody{ReadCloser: r.Body}
		// net/http looks at the body of its own request, whether it is to read on before it answers.
		watched := r.WithContext(r.Context())
		watched.Body = body
		next.ServeHTTP(w, watched)
		if body.begun.Load() {
			return
		}
		c := http.NewResponseController(w)
		if c.Flush() != nil || c.SetReadDeadline(time.Now().Add(unwantedTime)) != nil {
			return
		}
		_, _ = io.CopyN(io.Discard, r.Body, unwantedBytes) // the answer is sent, whatever comes of this
	})
}

// A begunBody knows whether anything of it was asked for.
type begunBody struct {
	io.ReadCloser
	begun atomic.Bool
}

// Read implements io.Reader.
func (b *begunBody) Read(p []byte) (int, error) {
	b.begun.Store(true)
	return b.ReadCloser.Read(p)
}
