package received

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/httpconn"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/coding"
	"fluxgate.dev/fluxgate/internal/problems"
)

// UnreadTimeout is how long a body may take to come that no handler reads.
const UnreadTimeout = 30 * time.Second

// promptBody is how large a body is at most that may take UnreadTimeout, in bytes, and no
// longer.
const promptBody = 64 << 10

// A Reader reads bodies of callers.
type Reader struct {
	Budget *bodies.Budget // of all in flight; nil: there is none
	Most   int64          // bytes of one
}

// Body reads the whole body, up to the configured bound, which holds for what is
// sent and for what comes out of it if that is packed: unpacking ends there. What it takes
// of the memory for bodies is the caller's to release, once nothing reads the body any
// more.
func (b Reader) Body(w http.ResponseWriter, r *http.Request) ([]byte, bodies.Charge, error) {
	return b.AtMost(w, r, b.Most)
}

// AtMost is Body for another bound.
func (b Reader) AtMost(w http.ResponseWriter, r *http.Request, bound int64) ([]byte, bodies.Charge, error) {
	o := bodies.Options{Length: r.ContentLength, Most: bound}
	if o.Length < 0 || o.Length > promptBody { // else it is to come within UnreadTimeout, as it is already
		begin := time.Now()
		o.Came = func(n int64) { httpconn.BoundBody(w, r, time.Until(begin)+bodyTimeout(n)) }
	}
	sent := http.MaxBytesReader(httpconn.Unwrapped(w), r.Body, bound)
	plain, err := coding.Unpack(sent, strings.Join(r.Header.Values("Content-Encoding"), ","))
	if err != nil {
		w.Header().Set("Accept-Encoding", coding.Known) // RFC 9110, section 12.5.3
		return nil, bodies.Charge{}, &apierror.Problem{Code: apierror.UnknownCoding, Cause: err,
			Public: "The request body has a Content-Encoding that isn't understood here. Send it as it is, or in gzip or deflate."}
	}
	if plain != io.Reader(sent) {
		o.Length = -1 // of what comes out of it
	}
	body, held, err := b.Budget.Read(plain, o)
	if err != nil {
		held.Release()
		if errors.Is(err, bodies.ErrTooLarge) { // as http.MaxBytesReader has it
			w.Header().Set("Connection", "close")
		}
		return nil, bodies.Charge{}, problems.OfBody(err, bound)
	}
	// After a failure the deadline stays: the server still reads what is left.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, held, nil
}

// bodyTimeout is how long a body may have taken to come of which so many bytes have: half
// a minute, and as long as it takes at 512 KiB a second. Who sends nothing, and yet has
// room kept for a large body, has it for half a minute.
func bodyTimeout(came int64) time.Duration {
	return 30*time.Second + time.Duration(came)*time.Second/(512<<10)
}

// Payload reads a body that passes through, with what it means.
func (b Reader) Payload(w http.ResponseWriter, r *http.Request) (*payload.Body, bodies.Charge, error) {
	text, held, err := b.Body(w, r)
	if err != nil {
		return nil, held, err
	}
	room := func(bytes int64) error {
		if err := held.Grow(bytes); err != nil {
			return problems.OfBody(err, 0)
		}
		return nil
	}
	body, err := payload.Read(text, room)
	return body, held, err
}

// Any is Payload for a body that may be empty.
func (b Reader) Any(w http.ResponseWriter, r *http.Request) (*payload.Body, bodies.Charge, error) {
	if r.ContentLength == 0 {
		return &payload.Body{References: new(payload.References)}, bodies.Charge{}, nil
	}
	return b.Payload(w, r)
}
