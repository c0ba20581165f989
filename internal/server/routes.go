package server

import (
	"net/http"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/page"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/routes"
)

// routes lists everything that is served, by the one spelling to which passing.Respelled
// brings others.
func (s *Server) routes() {
	// Fluxgate's own.
	s.own("/generate", methods{http.MethodPost: s.generate})
	s.own("/health", methods{http.MethodGet: s.health})
	s.own("/status", methods{http.MethodGet: s.status})
	s.own("/usage", methods{http.MethodGet: s.usage})
	s.own("/metrics", methods{http.MethodGet: s.metrics})
	s.own("/plan", methods{http.MethodPost: s.plan})
	s.own("/config", methods{http.MethodPost: s.byAdmin(s.configure)})
	s.own("/validate", methods{http.MethodPost: s.byAdmin(s.validate)})
	s.own("/refresh-policy", methods{http.MethodPost: s.byAdmin(s.refreshPolicy)})
	s.own("/reset", methods{http.MethodPost: s.byAdmin(s.reset)})
	s.own("/tickets", methods{http.MethodDelete: s.release})
	s.own("/tickets/{ticket}", methods{http.MethodDelete: s.release})

	// Upstream's, by the table, where its clients expect them.
	for _, shape := range routes.Shapes(routes.Table) {
		for _, root := range shape.Base.Roots() {
			s.route(shape.Rows[0].Errors(), root+shape.Pattern, s.among(shape, root))
		}
	}
	for _, r := range routes.Table {
		if r.Unserved == "" {
			s.published.Add(r.Method, r.Told())
		}
	}
	if s.cfg.PassUnknown {
		for _, root := range routes.API.Roots() {
			s.route(apierror.Native, root, func(*http.Request) (handler, []string) { return s.unknown, nil })
		}
	}
	for _, root := range routes.OpenAI.Roots() {
		s.route(apierror.OpenAI, root, methods{}.find)
	}

	// The page holds no data. It asks for /status with a token that is typed into it.
	s.mux.Handle("GET /{$}", page.Handler())
	s.route(apierror.Native, "/", methods{}.find)
}

// own serves one of Fluxgate's own routes.
func (s *Server) own(path string, by methods) {
	for method := range by {
		s.published.Add(method, path)
	}
	s.route(apierror.Native, path, by.find)
}

// among finds the row of a shape below a root.
func (s *Server) among(shape routes.Shape, root string) finder {
	wildcards := shape.Wildcards()
	return func(r *http.Request) (handler, []string) {
		values := make([]string, len(wildcards))
		for i, name := range wildcards {
			values[i] = r.PathValue(name)
		}
		row, names, allow := shape.Find(passing.MethodOf(r), values)
		m := match{row, names, root}
		if row == nil || !m.valid() {
			return nil, allow
		}
		return func(w http.ResponseWriter, r *http.Request) error { return s.passes(w, r, m) }, nil
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
