package server

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"

	"golang.org/x/sync/errgroup"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/candidates"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/jobs"
	"fluxgate.dev/fluxgate/internal/others"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// Jobs have quotas of their own, of which it is known only that so many may be under way in
// a project (https://ai.google.dev/gemini-api/docs/rate-limits#batch-mode). So they take no
// slot, and go where the fewest are.

// job makes one, in the project of what it refers to, or else in that with the fewest. A
// project that refuses it is followed by the next. It counts as a request on the caller's
// own limits.
func (x *relay) job(m match, model string, body *payload.Body) error {
	ctx, who := x.r.Context(), x.s.who(x.r)
	if _, err := candidates.Pinned(model, x.r.Header.Get(candidates.FallbackHeader)); err != nil {
		return err
	}
	p, err := x.s.dispatch.PoolFor(ctx, who, x.refs.Resources)
	if err != nil {
		return err
	}
	if err := x.s.files.Check(ctx, who, m.Route, upstream.Gemini, p.Sole(), body); err != nil {
		return err
	}
	if may, err := x.s.mayMake(x.w, x.r, model); !may {
		return err
	}
	order, err := x.byJobs(ctx, p, model)
	if err != nil {
		return err
	}
	place, taken, err := x.s.takePlace(x.w, x.r, x.body)
	if !taken {
		return err
	}
	defer place.GiveBack() // unless it was settled
	var a *exchange.Whole
	err = dispatch.ErrKeyless
	for _, project := range order {
		// What was made twice would be paid for twice.
		if a, err = x.s.change(x.r, p.Only(project), m.path(model), x.body, false); !refusedByProject(err) {
			break
		}
	}
	if err != nil {
		return err
	}
	place.Settle(-1)
	if err := x.s.made(x.r, m, model, a); err != nil {
		return err
	}
	a.Pass(x.w)
	return nil
}

// mayMake reports whether a caller's budget has room for a batch. Where it hasn't the caller has
// been told the wait, or there is an error.
func (s *Server) mayMake(w http.ResponseWriter, r *http.Request, model string) (bool, error) {
	wait, err := s.dispatch.MayMake(r.Context(), callerOf(r), model)
	if wait != nil {
		s.writeWait(w, r, wait)
	}
	return wait == nil && err == nil, err
}

// made notes whose what an answer tells of is, and of a batch that what it uses is the caller's.
func (s *Server) made(r *http.Request, m match, model string, a *exchange.Whole) error {
	project, told := a.To.Key.Project, others.Told(m.Route, a)
	if err := s.dispatch.Made(r.Context(), s.who(r), project, told...); err != nil || !m.MakesBatch() {
		return err
	}
	for _, batch := range told {
		s.jobs.Made(r.Context(), jobs.Job{Project: project, Name: batch.Name, Caller: callerOf(r), Model: model, Batch: true})
	}
	return nil
}

// goesOn notes what an answer has made that doesn't say what it used: it may go on in the
// background, and say so when it is asked for.
func (x *relay) goesOn(ctx context.Context, to dispatch.Target) {
	for _, name := range x.noting.Made() {
		x.s.jobs.Made(ctx, jobs.Job{Project: to.Key.Project, Name: name, Caller: callerOf(x.r), Model: to.Model, Before: to.Tokens})
	}
}

// forms are the forms in which results come, as they are read.
var forms = map[routes.Results]answers.Form{routes.Lines: answers.Lines, routes.Inlined: answers.Inlined, routes.Single: answers.Single}

// counts has it counted what an answer tells of a job. Where something isn't counted yet it is asked
// for as it can be read, whatever part is wanted: all of a file with results, and of what comes in
// JSON all, in JSON.
func (x *relay) counts(m match, p *dispatch.Pool) {
	form, has := forms[m.Results]
	project := p.Sole()
	if !has || project == "" {
		return
	}
	name := m.KeptName(p.Keys[0].Of(), m.Resource(m.names))
	switch {
	case form != answers.Lines && passing.IsWhole(x.r):
	case !x.s.jobs.Open(x.r.Context(), project, name):
		return // as most files, it has nobody's results
	case form == answers.Lines:
		x.r = passing.InFull(x.r)
	default:
		x.r = passing.WithQuery(x.r, passing.Wholly)
	}
	x.results = x.s.jobs.Reading(form, project, name)
}

// refusedByProject reports whether another project may take what one has refused.
func refusedByProject(err error) bool {
	var failure *upstream.Error
	if dispatch.Keyless(err) {
		return true
	}
	if !errors.As(err, &failure) {
		return false
	}
	switch failure.Class {
	case upstream.ClassCaller, upstream.ClassCanceled, upstream.ClassTimeout, upstream.ClassBroken:
		return false
	case upstream.ClassServer:
		return failure.SentAt.IsZero()
	}
	return true
}

// byJobs returns the projects in the order in which a job of a model is to be tried: those
// that are known not to have the model last, and before them by how many jobs they have.
// A project that doesn't say how many counts as one that has none.
func (x *relay) byJobs(ctx context.Context, p *dispatch.Pool, model string) ([]string, error) {
	ids := p.IDs()
	if len(ids) == 1 {
		return ids, nil
	}
	snapshot, err := x.s.admission.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	states, err := x.s.admission.View(ctx, ids)
	if err != nil {
		return nil, err
	}
	counted, _ := snapshot.Counted([]string{model}, nil)
	jobs := make([]int, len(ids))
	var asked errgroup.Group
	asked.SetLimit(maxListed)
	for i, id := range ids {
		if states[i].Calendar(counted[0]).Block.Unavailable(x.s.admission.Now()) {
			jobs[i] = math.MaxInt
			continue
		}
		asked.Go(func() error {
			jobs[i] = x.jobsOf(ctx, p.Only(id))
			return nil
		})
	}
	_ = asked.Wait() // what isn't known counts as none
	number := make(map[string]int, len(ids))
	for i, id := range ids {
		number[id] = jobs[i]
	}
	slices.SortStableFunc(ids, func(a, b string) int { return cmp.Compare(number[a], number[b]) })
	return ids, nil
}

// jobsOf asks a project how many jobs it has that aren't over, of those of the first page.
func (x *relay) jobsOf(ctx context.Context, p *dispatch.Pool) (n int) {
	asked := passing.WithQuery(x.r, func(query url.Values) {
		clear(query)
		query.Set("pageSize", "100")
	})
	err := x.s.dispatch.Free(ctx, p, true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
		page, _, failure := exchange.List(ctx, asked, to, routes.API.Upstream()+"batches")
		n = answers.UnfinishedJobs(page)
		return failure
	})
	if err != nil {
		x.s.logger(ctx).Warn("not known how many jobs a project has", "project", p.Projects[0].ID, "error", err)
	}
	return n
}
