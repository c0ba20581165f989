package anthropicsim

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/simquota"
)

// shared are the models that share their limits, by how their names begin
// (documented: "Opus rate limit is a total limit that applies to combined traffic across Claude
// Opus 4.8, Opus 4.7, Opus 4.6, and Opus 4.5", and likewise of Sonnet 4.x; that those of Fable 5.x,
// which are one row of the table, are counted so is guessed).
var shared = map[string]string{"claude-opus-4": "claude-opus-4.x", "claude-sonnet-4": "claude-sonnet-4.x", "claude-fable-5": "claude-fable-5.x"}

// dated is the date behind the name of a model, which is the same model without (documented).
var dated = regexp.MustCompile(`-[0-9]{8}$`)

// Shared returns the name by which requests for a model are counted: that of the ledger.
func Shared(model string) string {
	model = dated.ReplaceAllString(model, "")
	for begin, name := range shared {
		if model == begin || strings.HasPrefix(model, begin+"-") {
			return name
		}
	}
	return model
}

// fast are the models that serve the fast mode, and standard those that serve such requests at
// standard speed; any other refuses them (all documented).
var (
	fast     = []string{"claude-opus-4-8", "claude-opus-5", "claude-opus-5-5", "claude-fable-5-2", "claude-mythos-5-2"}
	standard = []string{"claude-opus-4-6"}
)

// servedAt is what an answer says of its speed.
func servedAt(speed, model string) string {
	switch {
	case speed != "fast":
		return ""
	case slices.Contains(standard, dated.ReplaceAllString(model, "")):
		return "standard"
	}
	return speed
}

// admitFast charges a request in fast mode to its own limits, which are told beside the others
// (the names of the headers are documented; that the others are told too is guessed).
func (c *call) admitFast(model string, want simquota.Amounts) (more func(simquota.Amounts), e *apiError) {
	if !slices.Contains(fast, dated.ReplaceAllString(model, "")) {
		return nil, &apiError{http.StatusBadRequest, "invalid_request_error", "speed: fast mode is not supported on this model", nil}
	}
	_, refused := c.s.fast.Try(c.Arrived, c.Key.Project, model, want)
	tell(c.W.Header(), fastPrefix, c.s.fast.Standings(c.Arrived, c.Key.Project, model), c.Arrived)
	tell(c.W.Header(), ratePrefix, c.s.Standings(c.Call, Shared(model)), c.Arrived)
	if refused != nil {
		return nil, c.refused(model, refused)
	}
	return func(a simquota.Amounts) { c.s.fast.Add(c.s.Now(), c.Key.Project, model, a) }, nil
}

// Fast returns what was accepted, refused and used in fast mode, by project and model.
func (s *Server) Fast() *simquota.Ledger { return s.fast }
