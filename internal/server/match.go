package server

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/routes"
)

// methods are the handlers of a path, by method.
type methods map[string]handler

// A finder returns the handler of a request at a path; nil where there is none. Then allow
// says which methods there are: none where nothing is.
type finder func(r *http.Request) (h handler, allow []string)

// find is a finder. HEAD goes with GET.
func (by methods) find(r *http.Request) (handler, []string) {
	if h, ok := by[methodOf(r)]; ok {
		return h, nil
	}
	return nil, slices.Sorted(maps.Keys(by))
}

// methodOf returns the method that a request is routed by.
func methodOf(r *http.Request) string {
	if r.Method == http.MethodHead {
		return http.MethodGet
	}
	return r.Method
}

// A match is a row of the table that a request has matched, with the names in its path.
type match struct {
	routes.Route
	names []string
}

// valid reports whether the names in the path are such as upstream gives out: they become
// part of a path there. A model's may be spelt with its collection.
func (m match) valid() bool {
	for i, name := range m.names {
		if i == 0 && m.Model == routes.InPath {
			m.names[i] = strings.TrimPrefix(name, "models/")
			if !payload.ValidModel(m.names[i]) {
				return false
			}
		} else if !payload.ValidResource(name) {
			return false
		}
	}
	return true
}

// path returns the upstream path, for a model in the place of the one that it names.
func (m match) path(model string) string {
	names := m.names
	if m.Model == routes.InPath && model != "" {
		names = slices.Concat([]string{model}, names[1:])
	}
	return m.Base.Upstream() + m.Fill(names)
}

// mentioned returns the resources that a request refers to, by its path and its body.
func (m match) mentioned(body []string) []string {
	if name := m.Resource(m.names); name != "" {
		return append([]string{name}, body...)
	}
	return body
}
