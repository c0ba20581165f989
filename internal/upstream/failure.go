package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"syscall"
	"time"

	"fluxgate.dev/fluxgate/internal/bodies"
)

// TransportError classifies a request that got no answer, or whose answer broke off: err is what a
// provider's NewRequest, its Do or reading its body returned, ctx the request's context from [WithKey]. SentAt is set
// unless the request was surely not written in full. An err that is an *Error already is returned as that.
func TransportError(ctx context.Context, err error) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	c := callFrom(ctx)
	var key string
	e := &Error{}
	if c != nil {
		key = c.key()
		e.SentAt, e.Provider = c.sentAt(), c.sentTo()
	}
	e.Class, e.Reason = classifyTransport(ctx, err, !e.SentAt.IsZero())
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // the URL adds nothing and makes messages differ by model
	}
	cause := newCause(err, NewRedactor(key))
	e.cause, e.Message = cause, Clip(cause.text)
	switch {
	case errors.Is(err, bodies.ErrTooLarge):
		e.HTTPStatus = http.StatusBadGateway
		e.Message = e.From() + "'s answer is larger than is held here."
	case noRoom(err):
		e.HTTPStatus, e.Status = http.StatusServiceUnavailable, "UNAVAILABLE"
		e.Message = e.From() + " has answered, but there is no room for the answer in this server's memory, with what else it has in hand."
	case errors.Is(err, ErrLoop):
		e.HTTPStatus, e.Status, e.Message = StatusLoop, "FAILED_PRECONDITION", LoopMessage
		e.SentAt = time.Time{} // to no provider
	}
	return e
}

// NoAnswer is the error of a success that is whole and holds neither an answer nor the
// reason why there is none. It may be tried elsewhere: nothing was served that a
// second answer would double, and at most the input was billed, as with any answer
// that fails at upstream. One that says that something was produced, or isn't known
// to be whole, is no such error.
func NoAnswer() *Error {
	return &Error{Class: ClassServer, HTTPStatus: http.StatusBadGateway, Reason: ReasonNoAnswer,
		Message: "Upstream answered with success but without an answer: there is no candidate, and no reason for that."}
}

// KnownWhole reports whether an answer that was read to its end without an error is
// known to be whole. One that only the end of its connection ends may have been cut.
// Of one that net/http has unpacked the length is lost: it counts only if the answer
// came in chunks.
func KnownWhole(resp *http.Response) bool {
	return resp.ContentLength >= 0 || resp.ProtoMajor >= 2 || slices.Contains(resp.TransferEncoding, "chunked")
}

func classifyTransport(ctx context.Context, err error, sent bool) (Class, string) {
	switch {
	case errors.Is(err, ErrBadKey):
		return ClassKeyInvalid, ReasonKeyMalformed
	case errors.Is(err, ErrNoKey), errors.Is(err, ErrForeignHost):
		return ClassCaller, ReasonInvalidRequest
	case errors.Is(err, ErrLoop):
		return ClassCaller, ReasonLoop // every key would take the same way
	case errors.Is(err, bodies.ErrTooLarge), noRoom(err):
		return ClassBroken, ReasonResponseTooLarge
	case expired(ctx):
		return ClassTimeout, ""
	case ctx.Err() != nil, errors.Is(err, context.Canceled):
		return ClassCanceled, ""
	case timedOut(err):
		// One of the transport's own timeouts. Before the request was sent, such as while connecting, nothing can have
		// been served, so that trying elsewhere is safe.
		if !sent {
			return ClassServer, ReasonConnection
		}
		return ClassTimeout, ""
	case sent:
		return ClassBroken, connectionReason(err)
	default:
		return ClassServer, connectionReason(err)
	}
}

// noRoom reports whether an answer wasn't read for want of memory.
func noRoom(err error) bool { return errors.Is(err, bodies.ErrFull) || errors.Is(err, bodies.ErrNever) }

// expired tells whether ctx ran out of time. The dialer keeps the deadline by a timer of its own that may fire before
// the context's, hence the second test.
func expired(ctx context.Context) bool {
	if err := ctx.Err(); err != nil {
		return errors.Is(err, context.DeadlineExceeded)
	}
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= 0
}

func timedOut(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, context.DeadlineExceeded)
}

// connectionReason names the usual ways in which a connection fails.
func connectionReason(err error) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return "DNS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "CONNECTION_REFUSED"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "CONNECTION_RESET"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "CONNECTION_CLOSED"
	default:
		return ReasonConnection
	}
}
