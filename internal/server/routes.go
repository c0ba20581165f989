package server

import (
	"net/http"
	"sync"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/nearest"
	"fluxgate.dev/fluxgate/internal/page"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/routes"
)

// A table is everything that is served. It is the same for every server, and made once.
type table struct {
	mux       *http.ServeMux
	published nearest.Routes // for those who miss one
}

// tables has that of servers that pass what isn't known here, and that of those that don't.
var tables = map[bool]func() *table{
	true:  sync.OnceValue(func() *table { return newTable(true) }),
	false: sync.OnceValue(func() *table { return newTable(false) }),
}

// newTable lists what is served, by the one spelling to which passing.Respelled brings others.
func newTable(passUnknown bool) *table {
	t := &table{mux: http.NewServeMux()}
	// Fluxgate's own.
	t.own(http.MethodPost, "/generate", (*Server).generate)
	t.own(http.MethodGet, "/health", (*Server).health)
	t.own(http.MethodGet, "/status", (*Server).status)
	t.own(http.MethodGet, "/usage", (*Server).usage)
	t.own(http.MethodGet, "/metrics", (*Server).metrics)
	t.own(http.MethodPost, "/plan", (*Server).plan)
	t.own(http.MethodPost, "/config", byAdmin((*Server).configure))
	t.own(http.MethodPost, "/validate", byAdmin((*Server).validate))
	t.own(http.MethodPost, "/refresh-policy", byAdmin((*Server).refreshPolicy))
	t.own(http.MethodPost, "/reset", byAdmin((*Server).reset))
	t.own(http.MethodDelete, "/tickets", (*Server).release)
	t.own(http.MethodDelete, "/tickets/{ticket}", (*Server).release)

	// Upstream's, by the table of package routes, where its clients expect them.
	for _, shape := range routes.Shapes(routes.Table) {
		for _, root := range shape.Base.Roots() {
			t.route(shape.Rows[0].Errors(), root+shape.Pattern, among(shape, root))
		}
	}
	for _, r := range routes.Table {
		if r.Unserved == "" {
			t.published.Add(r.Method, r.Told())
		}
	}
	if passUnknown {
		for _, root := range routes.API.Roots() {
			t.route(apierror.Native, root, func(*http.Request) (handler, []string) { return (*Server).unknown, nil })
		}
	}
	for _, root := range routes.OpenAI.Roots() {
		t.route(apierror.OpenAI, root, methods{}.find)
	}

	// The page holds no data. It asks for /status with a token that is typed into it.
	t.mux.Handle("GET /{$}", page.Handler())
	t.route(apierror.Native, "/", methods{}.find)
	return t
}

// own serves one of Fluxgate's own routes.
func (t *table) own(method, path string, h handler) {
	t.published.Add(method, path)
	t.route(apierror.Native, path, methods{method: h}.find)
}

// route has the path answered by the handler that is found.
func (t *table) route(format apierror.Format, path string, find finder) {
	t.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		a := w.(asked)
		a.server.serve(a.ResponseWriter, r, format, path, find)
	})
}

// among finds the row of a shape below a root.
func among(shape routes.Shape, root string) finder {
	return func(r *http.Request) (handler, []string) {
		row, names, allow := shape.Find(passing.MethodOf(r), r.PathValue)
		m := match{row, names, root}
		if row == nil || !m.valid() {
			return nil, allow
		}
		return func(s *Server, w http.ResponseWriter, r *http.Request) error { return s.passes(w, r, m) }, nil
	}
}

// passes serves a request that passes.
func (s *Server) passes(w http.ResponseWriter, r *http.Request, m match) error {
	switch {
	case m.Unserved != "" && !m.Others:
		return unserved(m)
	case m.Flow == routes.Uploads && m.Others:
		return s.uploadKept(w, r, m)
	case m.Flow == routes.Uploads:
		return s.upload(w, r, m)
	case m.Flow == routes.Upgrades:
		return s.session(w, r)
	case m.Flow == routes.Mints:
		return s.mint(w, r)
	case m.Model != routes.NoModel && m.Method != http.MethodGet:
		return s.askModel(w, r, m)
	case m.Names == "" && m.Collection() == "models":
		return s.listModels(w, r, m)
	case m.Lists != "" && m.Names == "":
		return s.listResources(w, r, m)
	case m.Method == http.MethodGet:
		return s.readResource(w, r, m)
	}
	return s.changeResource(w, r, m)
}
