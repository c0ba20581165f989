package problems

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/callers"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/form"
	"fluxgate.dev/fluxgate/storage"
)

// Of says what an error means to the caller.
func Of(err error) *apierror.Problem {
	var p *apierror.Problem
	var field *payload.FieldError
	var tooLarge *http.MaxBytesError
	var size *admission.TooLargeError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &field):
		return apierror.Invalid(field.Field, field.Text)
	case errors.Is(err, form.ErrForm):
		return &apierror.Problem{Code: apierror.InvalidArgument, Public: err.Error() + ".", Cause: err}
	case errors.As(err, &tooLarge):
		return &apierror.Problem{Code: apierror.BodyTooLarge, Public: "The request body is larger than this server takes.", Cause: err}
	case errors.As(err, &size):
		return apierror.TooLarge(apierror.Size(*size), err)
	case errors.Is(err, admission.ErrNoProject):
		var full *admission.NoPlaceError
		again := time.Duration(0)
		if errors.As(err, &full) {
			again = full.Wait
		}
		return &apierror.Problem{Code: apierror.NoUsableKey, Again: again, Public: "No usable key is left for this request: all are disabled, invalid, without quota for the model, or have no place for one more model until those used in the last minute are quiet. See /status.", Cause: err}
	case errors.Is(err, admission.ErrTicket):
		return &apierror.Problem{Code: apierror.InvalidArgument, Public: "This is no ticket of this deployment. Send the request without one: the answer has another.", Cause: err}
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrClosed):
		// Before the timeout: a store has deadlines of its own.
		return &apierror.Problem{Code: apierror.Unavailable, Public: "The quota store can't be reached, so nothing was sent. Please retry.", Cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &apierror.Problem{Code: apierror.TimedOut, Public: "The request took longer than its timeout (FLUXGATE_TIMEOUT, or timeout in a body of /generate).", Cause: err}
	case errors.Is(err, context.Canceled):
		return &apierror.Problem{Code: apierror.Canceled, Public: "The caller hung up.", Cause: err}
	}
	return &apierror.Problem{Code: apierror.Internal, Public: "Internal error. The log of this server says more, by the ID of this request.", Cause: err}
}

// OfCaller says why a request isn't let in.
func OfCaller(err error) *apierror.Problem {
	switch {
	case errors.Is(err, callers.ErrMissing):
		return &apierror.Problem{Code: apierror.Unauthenticated, Public: "No token was given. Send yours as x-goog-api-key, Authorization: Bearer, the password of Authorization: Basic, ?key= or X-Fluxgate-Token.", Cause: err}
	case errors.Is(err, callers.ErrWrong):
		return &apierror.Problem{Code: apierror.Unauthenticated, Public: "API key not valid: the token is not known here.", Cause: err}
	case errors.Is(err, callers.ErrConflict):
		return &apierror.Problem{Code: apierror.InvalidArgument, Public: "Multiple authentication credentials received. Please pass only one.", Cause: err}
	case errors.Is(err, callers.ErrHost):
		return &apierror.Problem{Code: apierror.Forbidden, Public: err.Error() + ".", Cause: err}
	case errors.Is(err, callers.ErrOrigin):
		return &apierror.Problem{Code: apierror.Forbidden, Public: "Web pages of other origins are not let in. See FLUXGATE_CORS.", Cause: err}
	case errors.Is(err, callers.ErrUnguarded):
		return &apierror.Problem{Code: apierror.Unguarded, Public: err.Error(), Cause: err}
	}
	return &apierror.Problem{Code: apierror.Unavailable, Public: "The callers' tokens can't be read. Please retry.", Cause: err}
}

// OfBody says why a body of at most so many bytes was not read.
func OfBody(err error, bound int64) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), errors.Is(err, bodies.ErrTooLarge):
		return &apierror.Problem{Code: apierror.BodyTooLarge, Public: fmt.Sprintf("The request body is larger than %s.", config.Bytes(bound)), Cause: err}
	case errors.Is(err, bodies.ErrNever):
		return &apierror.Problem{Code: apierror.BodyTooLarge, Public: "The request body takes more memory than this server has for bodies. Send it smaller, as JSON of the standard and with its length.", Cause: err}
	case errors.Is(err, bodies.ErrFull):
		return &apierror.Problem{Code: apierror.Unavailable, Public: "This server has as many and as large request bodies in hand as it has memory for. Please retry.", Cause: err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &apierror.Problem{Code: apierror.BodyTooSlow, Public: "The request body came too slowly.", Cause: err}
	}
	return &apierror.Problem{Code: apierror.InvalidArgument, Public: "The request body could not be read to its end. Please send it again.", Cause: err}
}
