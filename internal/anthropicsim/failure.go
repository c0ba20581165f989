package anthropicsim

import "net/http"

// A Failure is what goes wrong with a request that would have been served.
type Failure int

// The failures.
const (
	Overloaded       Failure = iota // 529, overloaded_error
	ServerError                     // 500, api_error
	Acceleration                    // 429 for a sharp increase in usage, without a limit
	Reset                           // the connection breaks before the answer
	CutStream                       // it breaks within the answer
	OverloadedStream                // an error event within a stream
)

// errOverloaded is documented.
var errOverloaded = &apiError{529, "overloaded_error", "Overloaded", nil}

// error is what is answered instead; nil: the failure comes later.
func (f Failure) error() *apiError {
	switch f {
	case Overloaded:
		return errOverloaded
	case ServerError:
		return &apiError{http.StatusInternalServerError, "api_error", "Internal server error", nil}
	case Acceleration: // documented that there is such a refusal; the words are captured
		return &apiError{http.StatusTooManyRequests, "rate_limit_error", "This request would exceed your organization's maximum usage increase rate for input tokens per minute. " +
			"Please scale up your input tokens usage more gradually to maintain your current rate limits.", nil}
	case Reset:
		panic(http.ErrAbortHandler)
	default:
		return nil
	}
}
