package openaisim

import "net/http"

// A Failure is what goes wrong with a request that would have been served.
type Failure int

// The failures.
const (
	ServerError      Failure = iota // 500
	Overloaded                      // 503
	EngineOverloaded                // 429 with the words of an overload (documented)
	Reset                           // the connection breaks before the answer
	CutStream                       // it breaks within the answer
)

// error is what is answered instead; nil: the failure comes later.
func (f Failure) error() *apiError {
	switch f {
	case ServerError:
		return &apiError{http.StatusInternalServerError, "The server had an error while processing your request. Sorry about that!", "server_error", "", "", nil}
	case Overloaded:
		return &apiError{http.StatusServiceUnavailable, "The server is currently overloaded with other requests. Sorry about that! Please try again in a moment.",
			"service_unavailable_error", "", "server_is_overloaded", nil}
	case EngineOverloaded:
		return &apiError{http.StatusTooManyRequests, "The engine is currently overloaded, please try again later.", "server_error", "", "", nil}
	case Reset:
		panic(http.ErrAbortHandler)
	default:
		return nil
	}
}
