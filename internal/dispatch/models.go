package dispatch

import (
	"fmt"
	"strings"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch/lesson"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// AutoModel is the name that stands for the chain of the mode in force.
const AutoModel = "auto"

// Chain returns the models of Gemini's chain that a mode lets through; "" is the mode
// in force. It fails where there is none.
func Chain(s *admission.Snapshot, mode scheduler.Mode) ([]string, error) {
	chain := s.Chain(mode)
	if len(chain) == 0 {
		if mode == "" {
			mode = s.Mode
		}
		return nil, NoneLeft(mode)
	}
	return chain, nil
}

// NoneLeft is the error where a mode lets no model of the chain through.
func NoneLeft(mode scheduler.Mode) error {
	return apierror.New(apierror.NoUsableKey, fmt.Sprintf("No model of the chain is left in mode %s.", mode))
}

// FallbackHeader lets a named model fall through to the chain.
const FallbackHeader = "X-Fluxgate-Fallback"

// Candidates returns the models that may serve a request for a name: the chain for
// AutoModel; else that model alone, or it and the chain after it if the caller's
// fallback is "chain".
func Candidates(s *admission.Snapshot, name, fallback string) ([]string, error) {
	if fallback != "" && fallback != "chain" {
		return nil, apierror.Invalid(FallbackHeader, `want "chain", or leave it out.`)
	}
	if name == AutoModel {
		return Chain(s, "")
	}
	models := []string{name}
	if fallback == "" {
		return models, nil
	}
	for _, m := range s.Chain("") {
		if m != name {
			models = append(models, m)
		}
	}
	return models, nil
}

// beyondModel reports whether upstream says that one of the call's models can't do what
// is asked, where another may.
func (r *dispatch) beyondModel(e *upstream.Error) bool {
	return len(r.call.Models) > 1 && lesson.BeyondModel(e, r.pool.Serves() != nil)
}

// leaveProvider has the call go to no project of a project's provider any more, and reports whether
// others are left: what all of one refuse, another may serve.
func (r *dispatch) leaveProvider(project string) bool {
	var left bool
	if r.excluded, left = r.pool.LeaveProvider(project, r.excluded); left {
		r.doubtful = 0
	}
	return left
}

// isAlias reports whether a model's name says that it stands for another's.
func isAlias(name string) bool { return strings.HasSuffix(name, "-latest") }

// Pinned returns the models that may serve what is bound to one, such as an embedding:
// vectors of different models don't go together, so nothing stands in for the one that is
// named.
func Pinned(name, fallback string) ([]string, error) {
	if name == AutoModel {
		return nil, apierror.Invalid("model", `"auto" stands for models that generate text; name one that does this.`)
	}
	if fallback != "" {
		return nil, apierror.Invalid(FallbackHeader, "no other model can stand in for this one.")
	}
	return []string{name}, nil
}
