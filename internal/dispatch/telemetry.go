package dispatch

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/storage"
)

// decision is how an admission ended, in the words of package telemetry, which knows none.
func (r *dispatch) decision(grant *admission.Grant, wait *admission.Wait, err error) telemetry.Decision {
	out := telemetry.Decision{Tokens: r.demand.Tokens, Untold: r.failed != nil && grant == nil}
	switch {
	case grant != nil:
		out.Project, out.Model, out.Booked, out.Waited = grant.Project, grant.Model, grant.Booked, grant.Waited
	case wait != nil:
		out.Project, out.Model, out.Booked, out.Cause = wait.Project, wait.Model, wait.Booked, causeOf(wait)
		out.Wait = wait.Start.Sub(r.d.admission.Now())
	case errors.Is(err, admission.ErrTooLarge), errors.Is(err, admission.ErrCallerTooLarge):
		out.Cause = "too_large"
	case errors.Is(err, admission.ErrNoProject):
		out.Cause = "no_usable_key"
	default:
		out.Failed, out.Cause = true, failureOf(err)
	}
	return out
}

// causeOf names what stands in the way; callers' own limits are told apart from projects'.
func causeOf(wait *admission.Wait) string {
	switch {
	case wait.Budget != "":
		return "own_budget"
	case wait.Caller == "":
		return string(wait.Cause)
	}
	return "own_" + string(wait.Cause)
}

// answered is what became of a send.
func answered(info Sent, failure *upstream.Error) telemetry.Answer {
	out := telemetry.Answer{
		Tokens: info.PromptTokens, Output: info.Output, Thoughts: info.Thoughts, Cached: info.Cached, Model: info.ModelVersion, Status: http.StatusOK,
	}
	switch {
	case failure != nil:
		out.Tokens, out.Class, out.Status = -1, failure.Class.String(), failure.HTTPStatus
	case info.Late != nil:
		out.Class, out.Status = info.Late.Class.String(), info.Late.HTTPStatus
	}
	return out
}

// failureOf classifies what went wrong on our side; "": nothing.
func failureOf(err error) string {
	var failure *upstream.Error
	var problem *apierror.Problem
	switch {
	case err == nil:
		return ""
	case errors.As(err, &failure):
		return failure.Class.String()
	case errors.As(err, &problem) && problem.Code.HTTP() < http.StatusInternalServerError:
		return strings.ToLower(problem.Code.Status())
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrClosed):
		return "store_unavailable"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case !errors.Is(err, context.DeadlineExceeded):
		return "internal"
	}
	return "timeout"
}
