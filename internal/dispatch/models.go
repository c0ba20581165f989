package dispatch

import (
	"strings"

	"fluxgate.dev/fluxgate/internal/dispatch/lesson"
	"fluxgate.dev/fluxgate/internal/upstream"
)

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
