package server

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/noting"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// methods are the handlers of a path, by method.
type methods map[string]handler

// A finder returns the handler of a request at a path; nil where there is none. Then allow
// says which methods there are: none where nothing is.
type finder func(r *http.Request) (h handler, allow []string)

// find is a finder. HEAD goes with GET.
func (by methods) find(r *http.Request) (handler, []string) {
	if h, ok := by[passing.MethodOf(r)]; ok {
		return h, nil
	}
	return nil, slices.Sorted(maps.Keys(by))
}

// A match is a row of the table that a request has matched, with the names in its path and what that
// begins with.
type match struct {
	*routes.Route
	names []string
	root  string
}

// valid reports whether the names in the path are such as upstream gives out: they become
// part of a path there. A model's may be spelt with its collection.
func (m match) valid() bool {
	for i, name := range m.names {
		if i == 0 && m.Collection() == "models" {
			m.names[i] = strings.TrimPrefix(name, "models/")
			if !payload.ValidModel(m.names[i]) && (!m.Others || !config.ProviderModel("any/"+m.names[i])) {
				return false
			}
		} else if !payload.ValidResource(m.ID(name)) && (m.Unserved == "" || m.Others) {
			return false
		}
	}
	return true
}

// unserved is the answer to what is known and not served.
func unserved(m match) error {
	return apierror.New(apierror.Unserved, m.Method+" "+m.ToldBelow(m.root)+" isn't served here. "+m.Unserved)
}

// path returns the upstream path, for a model in the place of the one that it names.
func (m match) path(model string) string {
	names := m.names
	if m.Model == routes.InPath && model != "" {
		names = slices.Concat([]string{model}, names[1:])
	}
	return m.Base.Upstream() + m.Fill(names)
}

// pathAt returns the path at a provider of what names no model.
func (m match) pathAt(provider string) string {
	if provider == upstream.Gemini {
		return m.path("")
	}
	return m.OtherPath("", m.names)
}

// noting notes what an answer tells of.
func (s *Server) noting(r *http.Request, m match) *noting.Noting {
	return noting.New(noting.Options{Dispatcher: s.dispatch, Jobs: s.jobs, Logger: s.logger(r.Context()), Route: m.Route, Names: m.names, Who: s.who(r)})
}
