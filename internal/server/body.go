package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/payload"
)

// unreadTimeout is how long a body may take to come that no handler reads.
const unreadTimeout = 30 * time.Second

// boundBody says how long a body may take to come from now on. One that no
// handler reads is read by net/http before it answers, for as long as it takes:
// who sends a byte now and then must not hold a connection indefinitely. Where there
// is no connection, as in tests, there is nothing to hold.
func boundBody(w http.ResponseWriter, r *http.Request, limit time.Duration) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit))
}

// firstRoom is how much room a body gets at most before it has come, in bytes.
const firstRoom = 64 << 10

// readBody reads the whole body, up to the configured bound, which holds for what is
// sent and for what comes out of it if that is packed: unpacking ends there.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	bound := int64(s.cfg.MaxBody)
	most := bound
	if r.ContentLength >= 0 {
		most = min(most, r.ContentLength)
	}
	if most > firstRoom { // else it is to come within unreadTimeout, as it is already
		boundBody(w, r, bodyTimeout(most))
	}
	sent := http.MaxBytesReader(unwrapped(w), r.Body, bound)
	plain, err := payload.Unpack(sent, strings.Join(r.Header.Values("Content-Encoding"), ","))
	if err != nil {
		w.Header().Set("Accept-Encoding", payload.Codings) // RFC 9110, section 12.5.3
		return nil, &apierror.Problem{Code: apierror.UnknownCoding, Cause: err,
			Public: "The request body has a Content-Encoding that isn't understood here. Send it as it is, or in gzip or deflate."}
	}
	// Room for what is announced, but no more than any caller may cost us before it
	// has sent a byte. It grows with what has come, unpacked.
	body := bytes.NewBuffer(make([]byte, 0, bytes.MinRead+min(most, firstRoom)))
	_, err = body.ReadFrom(io.LimitReader(plain, bound+1))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), int64(body.Len()) > bound:
		return nil, &apierror.Problem{Code: apierror.BodyTooLarge, Public: fmt.Sprintf("The request body is larger than %s.", s.cfg.MaxBody), Cause: err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &apierror.Problem{Code: apierror.BodyTooSlow, Public: "The request body came too slowly.", Cause: err}
	case err != nil:
		return nil, &apierror.Problem{Code: apierror.InvalidArgument, Public: "The request body could not be read to its end.", Cause: err}
	}
	// After a failure the deadline stays: the server still reads what is left.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body.Bytes(), nil
}

// bodyTimeout is how long a body of so many bytes at most may take to come: half a
// minute, and as long as it takes at 512 KiB a second.
func bodyTimeout(most int64) time.Duration {
	return 30*time.Second + time.Duration(most)*time.Second/(512<<10)
}

// unwrapped returns the writer of the connection. http.MaxBytesReader has it
// close the connection, by a method that no other writer can have.
func unwrapped(w http.ResponseWriter) http.ResponseWriter {
	for {
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = inner.Unwrap()
	}
}

// readPayload reads a body that passes through, with what it means.
func (s *Server) readPayload(w http.ResponseWriter, r *http.Request) (*payload.Body, error) {
	body, err := s.readBody(w, r)
	if err != nil {
		return nil, err
	}
	return payload.Read(body)
}
