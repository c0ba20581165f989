package live

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coder/websocket"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/problems"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// An ending is how a session ends: what is told by a close. Without a code the connection
// just ends.
type ending struct {
	code   websocket.StatusCode
	reason string
}

// maxReason is how much a close says, in bytes.
const maxReason = 123

// told is the reason as it fits.
func (e ending) told() string {
	if len(e.reason) <= maxReason {
		return e.reason
	}
	return strings.ToValidUTF8(e.reason[:maxReason], "")
}

// endingOfWait says when to come back, in words in which Gemini says it where it answers with
// a body. Its own closes say RESOURCE_EXHAUSTED with 1011 (captured).
func endingOfWait(w *admission.Wait, left time.Duration) ending {
	said := fmt.Sprintf("RESOURCE_EXHAUSTED: Please retry in %.3fs. ", left.Seconds())
	switch {
	case w.Caller != "":
		said += "Your own limits are reached."
	case w.Limit.RPM > 0 && w.On != "":
		said += fmt.Sprintf("Every project has its %d sessions of %s, until one ends.", w.Limit.RPM, w.Model)
	default:
		said += fmt.Sprintf("No project has room for a session of %s.", w.Model)
	}
	return ending{websocket.StatusInternalError, said}
}

// endingOf says what an error means.
func endingOf(err error) ending {
	var failure *upstream.Error
	if !errors.As(err, &failure) {
		return endingOfProblem(problems.Of(err))
	}
	switch {
	case failure.OfOurs():
		// The keys are ours: that one fails must not look like the caller's mistake.
		return ending{websocket.StatusInternalError, "UNAVAILABLE: The key that was chosen can't be used any more. Please retry: others may be left."}
	case failure.Class == upstream.ClassDenied && failure.Reason != upstream.ReasonPermission:
		return ending{websocket.StatusInternalError, "UNAVAILABLE: Gemini doesn't take this session with the keys that were tried, although they are valid."}
	case failure.Class == upstream.ClassTimeout, failure.Class == upstream.ClassBroken:
		return ending{websocket.StatusInternalError, "UNAVAILABLE: Gemini didn't answer the setup. Please retry."}
	}
	e := ending{websocket.StatusInternalError, failure.Message}
	switch failure.Class {
	case upstream.ClassCaller:
		e.code = websocket.StatusInvalidFramePayloadData
	case upstream.ClassModelGone, upstream.ClassModelUnknown, upstream.ClassDenied:
		e.code = websocket.StatusPolicyViolation
	}
	if failure.Wait > 0 {
		status := "RESOURCE_EXHAUSTED"
		if failure.Class == upstream.ClassServer {
			status = "UNAVAILABLE"
		}
		e.reason = fmt.Sprintf("%s: Please retry in %.3fs. %s", status, failure.Wait.Seconds(), failure.Message)
	}
	return e
}

func endingOfProblem(p *apierror.Problem) ending {
	code := websocket.StatusPolicyViolation
	if p.Code.HTTP() >= 500 {
		code = websocket.StatusInternalError
	}
	return ending{code, p.Code.Status() + ": " + p.Public}
}
