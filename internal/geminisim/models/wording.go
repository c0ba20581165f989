package models

import (
	"net/http"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// A Wording is how the service says that a model is gone. There is a fourth, a limit of
// 0, which is a matter of quota.
type Wording int

// The wordings.
const (
	// NewUsers is that of faults.Retired404, captured of gemini-2.5-flash in 2026.
	NewUsers Wording = iota
	// NotFound is that of a name that nobody knows, captured of models that were shut down
	// and of some that are still listed.
	NotFound
	// Deprecated names the day, captured of gemini-1.0-pro-vision in 2024.
	Deprecated
)

// refusal is what is answered to a request for a model that is gone.
func (w Wording) refusal(version, name, method string) *wire.Error {
	switch w {
	case NotFound:
		return wire.ModelNotFound(version, name, method)
	case Deprecated:
		e := wire.ModelNotFound(version, name, method)
		e.Code, e.Message = http.StatusNotFound, name+" has been deprecated on July 12, 2024. Consider switching to different model, for example gemini-1.5-flash."
		return e
	}
	return wire.Retired(name)
}
