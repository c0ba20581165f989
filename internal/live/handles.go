package live

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/resources"
)

// A session that may be resumed is known by a handle, which Gemini gives anew with each turn:
// to whoever has it, and for the project that had the session. So it is written down, by its
// hash, whose it is and of which project, before the caller gets it. That is a write per turn,
// as an admission is one.

// nameOf returns the name under which a handle is kept.
func nameOf(handle string) string {
	sum := sha256.Sum256([]byte(handle))
	return resources.Sessions + "/" + hex.EncodeToString(sum[:16])
}

// projectOf returns which project has the session of a handle, if that is the caller's, and
// whether that is known. Of one that isn't the only project there is may know more, where
// everybody uses everything: it may be of before, or an instance may have ended between
// Gemini's word and its own.
func (l *Relay) projectOf(ctx context.Context, who resources.Caller, p *dispatch.Pool, handle string) (project string, known bool, err error) {
	name := nameOf(handle)
	found, err := l.handles.Find(ctx, who.Name, []string{name})
	if err != nil {
		return "", false, &apierror.Problem{Code: apierror.Unavailable, Public: "It can't be looked up whose the session is. Please retry.", Cause: err}
	}
	if r, ok := found[name]; ok {
		return r.Project, true, nil
	}
	if len(p.Projects) == 1 && !l.dispatcher.Confines(who) {
		return p.Projects[0].ID, false, nil
	}
	return "", false, apierror.New(apierror.NotFound, "Session not found.")
}

// only returns the keys of a pool that are of the projects that have what a setup names, which
// are to be one.
func only(p *dispatch.Pool, projects ...string) (*dispatch.Pool, error) {
	for _, project := range projects {
		if !p.Has(project) {
			return nil, apierror.New(apierror.NotFound, "What the setup names is of several projects, or of one without keys.")
		}
		p = p.Only(project)
	}
	return p, nil
}

// noteHandle notes whose a session is that may be resumed. It is the caller's even if that
// fails, and can't be resumed by this handle then.
func (x *session) noteHandle(ctx context.Context, to dispatch.Target, handle string) {
	err := x.l.handles.Made(ctx, x.in.Who.Name, resources.Resource{Name: nameOf(handle), Project: to.Key.Project})
	if err != nil {
		x.log.Warn("not kept whose a session is", "error", err)
	}
}
