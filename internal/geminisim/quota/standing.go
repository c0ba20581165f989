package quota

import (
	"net/http"
	"regexp"

	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// A Standing is what a project may do at all, whatever quota it has left. Only
// requests that cost quota are refused for it: listing models and counting tokens go
// on as before, as with the real service.
type Standing int

// The standings of a project. Each refusal's status and wording were captured in
// public reports; that none is charged to the quota is a guess.
const (
	GoodStanding Standing = iota
	// NoGrounding: requests with google_search get a 429 whose only detail is a Help
	// link, while all others are served. Captured for google_search on projects without
	// billing; that url_context and google_maps are refused alike is a guess.
	NoGrounding
	// Overspent: every model gets the 429 of the spend-based limit, with a RetryInfo of
	// 35 s and empty violations. [Ledger.SetBilling] has it depend on what was spent.
	Overspent
	// Depleted: every model gets the 429 of a project without credit.
	Depleted
	// NoFreeTier: every model gets the 400 of a project without billing in a country
	// without a free tier.
	NoFreeTier
	// NoPermission: every model gets the 403 that was captured for one model on one
	// project.
	NoPermission
	// DeniedAccess: every model gets the 403 of a project that Google has shut out. It was
	// captured with a lookup of a model that passed; that counting passes too is a guess.
	DeniedAccess
)

// SetStanding changes what a project may do.
func (l *Ledger) SetStanding(project string, st Standing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.standing[project] = st
}

// groundingTool matches the tools that ground an answer, as members of a tool in
// either spelling.
var groundingTool = regexp.MustCompile(`"(?:google_search|googleSearch|google_search_retrieval|googleSearchRetrieval|url_context|urlContext|google_maps|googleMaps)"\s*:`)

// refuse returns the refusal of a request for its project's standing, or nil.
func (st Standing) refuse(body []byte) *wire.Error {
	switch st {
	case NoGrounding:
		if !groundingTool.Match(body) {
			return nil
		}
		e := errUnnamed()
		e.Reason = "no_grounding"
		return e
	case Overspent:
		return errOverspent()
	case Depleted:
		return faults.BillingDepleted.Answer("")
	case NoFreeTier:
		return &wire.Error{Code: http.StatusBadRequest, Status: "FAILED_PRECONDITION", Reason: "no_free_tier",
			Message: "Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio."}
	case NoPermission:
		e := wire.PermissionDenied("The caller does not have permission")
		e.Reason = "no_permission"
		return e
	case DeniedAccess:
		e := wire.PermissionDenied("Your project has been denied access. Please contact support.")
		e.Reason = "denied_access"
		return e
	}
	return nil
}
