package others

import (
	"errors"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/providers"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// A Question is what is known of a request about what providers keep.
type Question struct {
	Route *routes.Route
	Names []string // in its path
	Who   resources.Caller
	// Mentioned is what its body names in the way of other providers, as files/… and an ID, and
	// Geminis what it names of Gemini's.
	Mentioned, Geminis []string
}

// A Place is where a request goes.
type Place struct {
	Provider string         // upstream.Gemini, or another
	Pool     *dispatch.Pool // those of its keys that can serve it
}

// Place returns where a request about what providers keep goes. Where that is nobody but Gemini,
// which doesn't serve it, its pool is nil.
func (o *Others) Place(r *http.Request, q Question) (Place, error) {
	all, err := o.dispatch.Pool(r.Context())
	if err != nil {
		return Place{}, err
	}
	served := q.Route.Unserved == ""
	among, err := o.providers.Among(providers.Question{Format: Format(q.Route), Named: r.Header.Get(providers.Header), Has: all.HasKeys}, served)
	switch {
	case err != nil:
		return Place{}, err
	case len(among) == 0 && !served:
		return Place{}, nil
	case len(among) == 0:
		among = []string{upstream.Gemini}
	}
	// Whoever keeps what it names serves it. That is one of them alone: what isn't there for the
	// caller is answered alike, wherever it isn't.
	err = providers.ErrWhich(among)
	for _, provider := range among {
		names := q.names(provider)
		if len(names) == 0 && len(among) > 1 {
			continue
		}
		p := all.Of(provider)
		if p, err = o.Owning(r, p, provider, q.Who, names); err == nil {
			return Place{provider, p}, nil
		}
		if !isNotThere(err) {
			break
		}
	}
	return Place{}, err
}

// Owning narrows a provider's pool to the project that has what a request names, by the names that
// are kept.
func (o *Others) Owning(r *http.Request, p *dispatch.Pool, provider string, who resources.Caller, names []string) (*dispatch.Pool, error) {
	for _, name := range names {
		if provider != upstream.Gemini && !isPath(dispatch.PathOf(name)) {
			return nil, dispatch.NotThere(name)
		}
	}
	return o.dispatch.Owning(r.Context(), p, who, names)
}

// isPath reports whether a name may become a path, at which it is asked for.
func isPath(name string) bool {
	for segment := range strings.SplitSeq(name, "/") {
		if !answers.ValidSegment(segment) {
			return false
		}
	}
	return true
}

// names returns what a request names, as it is known here where a provider keeps it.
func (q Question) names(provider string) (names []string) {
	if name := q.Route.Resource(q.Names); name != "" {
		names = append(names, name)
	}
	if provider == upstream.Gemini {
		return append(names, q.Geminis...)
	}
	return Kept(q.Route, provider, append(names, q.Mentioned...))
}

// Kept returns the names by which things are known here that a provider has by names such as
// files/x.
func Kept(route *routes.Route, provider string, names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = route.KeptName(provider, name)
	}
	return all
}

func isNotThere(err error) bool {
	var p *apierror.Problem
	return errors.As(err, &p) && p.Code == apierror.NotFound
}
