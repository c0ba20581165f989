package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/dispatch/lesson"
	"fluxgate.dev/fluxgate/internal/dispatch/weights"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/scheduler"
)

// A model that goes may be redirected for a while: another answers the requests for it,
// and says so. Whose quota that uses is said by the first refusal that names a model.
// Until then such a request weighs on both.

// itselfAgain is how many answers in a row of the model itself end a redirect: while one
// is being rolled out, either may answer.
const itselfAgain = 16

// Also returns what a call that was sized weighs beside each model, which it asks that of; nil: nothing.
func (d *Dispatcher) Also(c *Call, s weights.Sharing, demand scheduler.Demand) func(model string) []scheduler.Weight {
	features := len(c.features) > 0 || c.unsaid && slices.ContainsFunc(c.Models, lesson.Draws)
	if !features && c.other == nil && len(c.Snapshot.Control.Redirects) == 0 {
		return nil
	}
	return func(model string) (all []scheduler.Weight) {
		if features {
			all = c.also(model)
		}
		if c.other != nil {
			all = append(all, d.outputs.With(s, c.Snapshot.Rules, model, demand, *c.other)...)
		}
		if other := c.Snapshot.Beside(model); other != "" {
			all = append(all, scheduler.Weight{On: other, Demand: demand})
		}
		return all
	}
}

// triesOwnEvery is how often an instance tries whether a redirected model counts on its own
// quota, where nothing else says so.
const triesOwnEvery = 24 * time.Hour

// tryOwn has a request go whose model has room, and which waits for nothing but the quota of
// the model that answers for it. If that is used up by all that is known, and the request is
// answered, then it isn't counted there; if it is refused, upstream says where it is.
func (r *dispatch) tryOwn(ctx context.Context, wait *admission.Wait) *admission.Grant {
	name, now := wait.Model, r.d.admission.Now()
	at, tried := r.d.triedOwn.Get(name)
	if wait.On == "" || wait.On != r.call.Snapshot.Beside(name) || tried && now.Sub(at) < triesOwnEvery {
		return nil
	}
	states, err := r.d.admission.View(ctx, []string{wait.Project})
	if err != nil || !states[0].Calendar(wait.On).UsedUp(r.d.admission.Rules().Of(wait.Project), now, r.demand) {
		return nil
	}
	req := r.request(ctx)
	req.Hash, req.Ticket, req.Book, req.Models = 0, nil, false, []string{name}
	req.Projects = slices.DeleteFunc(slices.Clone(req.Projects), func(p admission.Project) bool { return p.ID != wait.Project })
	if req.Also = nil; len(r.call.asks(name)) > 0 {
		req.Also = r.call.also
	}
	grant, other, _ := r.d.admission.Admit(ctx, req)
	if r.own = grant != nil; r.own {
		r.d.triedOwn.Put(name, now)
		other = wait
	}
	if other != nil {
		r.d.Forget(ctx, other, r.call.Caller)
	}
	return grant
}

// answeredBy notes which model gave an answer, where that is another than was asked for or
// known.
func (r *dispatch) answeredBy(ctx context.Context, grant *admission.Grant, version string) {
	name := grant.Asked
	version = strings.TrimPrefix(version, "models/")
	known := r.call.Snapshot.Control.Redirects[name]
	if version == "" || version == name && known == "" || isAlias(name) || !payload.ValidModel(version) {
		return
	}
	itself := scheduler.SameModel(name, version)
	n, _ := r.d.itself.Get(name)
	switch {
	case !itself && known == version, itself && known == "":
		if n > 0 {
			r.d.itself.Put(name, 0)
		}
		return
	case itself && n+1 < itselfAgain:
		r.d.itself.Put(name, n+1)
		return
	case itself:
		version = ""
	}
	r.d.itself.Put(name, 0)
	if now, err := r.d.admission.Snapshot(ctx); err == nil && now.Control.Redirects[name] == version {
		// Another answer has said so, while this one's request was admitted without.
		if now.Beside(name) != "" {
			r.weighsOn(ctx, grant.Project, scheduler.Redirected{Model: name, By: version, Only: grant.Reservation.ID})
		}
		return
	}
	if err := r.d.admission.LearnRedirect(ctx, name, version); err != nil {
		r.log.Warn("redirect not kept", "name", name, "error", err)
		return
	}
	if version == "" {
		r.d.audit.Record(ctx, events.Fluxgate, fmt.Sprintf("requests for %s are answered by itself again", name))
		return
	}
	for _, p := range r.pool.Projects {
		r.weighsOn(ctx, p.ID, scheduler.Redirected{Model: name, By: version})
	}
	r.d.audit.Record(ctx, events.Fluxgate, fmt.Sprintf("requests for %s are answered by %s: they count on both until a 429 says where they do", name, version))
}

// weighsOn has what a project has sent to a redirected model count on the other too.
func (r *dispatch) weighsOn(ctx context.Context, project string, x scheduler.Redirected) {
	if _, err := r.d.admission.Apply(ctx, project, x); err != nil {
		r.log.Warn("redirect not counted", "name", x.Model, "project", project, "error", err)
	}
}
