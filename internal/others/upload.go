package others

import (
	"context"
	"io"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/batchlines"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/placing"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/httpconn"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/payload/lines"
	"fluxgate.dev/fluxgate/internal/payload/references"
	"fluxgate.dev/fluxgate/internal/problems"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// Upload passes a file on as it comes, to the project where it belongs: that of a file which the
// header placing.BesideHeader names, or else by what the caller has uploaded before. It is a form, of
// which it matters here what a batch would read in it.
func (o *Others) Upload(w http.ResponseWriter, r *http.Request, at Place, q Question) error {
	p, err := o.Beside(r, at, q)
	if err != nil {
		return err
	}
	httpconn.BoundBody(w, r, maxUpload)
	body, err := o.bodies.Pass(r.Body, r.ContentLength)
	if err != nil {
		return problems.OfBody(err, 0)
	}
	defer body.Release()
	ctx, cancel := context.WithTimeout(r.Context(), maxUpload)
	defer cancel()
	provider := "" // that it is sent to
	seen, err := o.files.Begin(ctx, batchlines.Piece{
		Who: q.Who, Rule: lines.OpenAI, Part: passing.Piece{Last: true}, Length: r.ContentLength, Asks: len(q.Route.Makes) == 0,
		Kept: func(name string) string { return q.Route.KeptName(provider, name) },
	})
	if err != nil {
		return err
	}
	asked := passing.AsForm(r)
	var a *exchange.Whole
	err = exchange.Passing(ctx, o.dispatch, p, false, body.Take, func(ctx context.Context, to dispatch.Target, body io.Reader) (failure *upstream.Error) {
		provider = to.Key.Of()
		a, failure = exchange.ReadWhole(to.Context(ctx), asked, to, r.Method, q.Route.OtherPath("", q.Names), seen.Body(ctx, to.Key.Project, body), r.ContentLength, exchange.MaxErrorBody)
		return failure
	})
	if err != nil {
		return err
	}
	told := Told(q.Route, a)
	if err := seen.Done(ctx, told); err != nil {
		return err
	}
	if err := o.dispatch.Made(ctx, q.Who, a.To.Key.Project, told...); err != nil {
		return err
	}
	a.Pass(w)
	return nil
}

// Beside narrows the pool of what makes something to the project where it belongs.
func (o *Others) Beside(r *http.Request, at Place, q Question) (*dispatch.Pool, error) {
	if name := r.Header.Get(placing.BesideHeader); name != "" {
		return o.Owning(r, at.Pool, at.Provider, q.Who, Kept(q.Route, at.Provider, []string{references.Files + strings.TrimPrefix(name, references.Files)}))
	}
	return o.dispatch.Place(r.Context(), q.Who, at.Pool, strings.TrimSuffix(q.Route.KeptName(at.Provider, q.Route.Under), "/"), "")
}

// Told returns what an answer tells of, as it is known here.
func Told(route *routes.Route, a *exchange.Whole) []answers.Created {
	all := answers.CreatedResources(a.Text, route.Makes, route.Made())
	for i := range all {
		if all[i].Name = route.KeptName(a.To.Key.Of(), all[i].Name); route.Assembles {
			all[i].Note = batchlines.Unfit
		}
	}
	return all
}
