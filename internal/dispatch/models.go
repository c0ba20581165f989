package dispatch

import (
	"context"
	"strings"

	"fluxgate.dev/fluxgate/internal/dispatch/lesson"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// saidBefore returns what upstream said to earlier calls of the model that a call is pinned to,
// or of its chain where it said of each model that nobody here may use it, as long as they are
// left alone for that; nil otherwise. A chain of which some models are gone is the operator's.
func (r *dispatch) saidBefore(ctx context.Context) *upstream.Error {
	var first *upstream.Error
	for _, name := range r.call.Models {
		said, ok := r.d.lastWords.Get(name)
		if !ok || len(r.call.Models) > 1 && said.Reason != upstream.ReasonPermission {
			return nil
		}
		if first == nil {
			first = said
		}
	}
	states, err := r.d.admission.View(ctx, r.pool.IDs())
	if err != nil {
		return nil
	}
	models, asked := r.call.Snapshot.Counted(r.call.Models, r.d.Shared(r.call))
	for _, model := range models {
		if !r.leftAlone(model, states) && !r.leftAlone(r.d.outputs.Itself(asked.Of(model)), states) {
			return nil
		}
	}
	return first
}

// leftAlone reports whether a model isn't to be had for now on a project of which a key can be used.
func (r *dispatch) leftAlone(model string, states []*scheduler.Project) bool {
	for i, p := range r.pool.Projects {
		if _, err := r.pool.Pick(p.ID, states[i]); err == nil && states[i].Calendar(model).Block.Unavailable(r.d.admission.Now()) {
			return true
		}
	}
	return false
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
