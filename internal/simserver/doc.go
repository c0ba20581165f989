// Package simserver is what the simulated providers have in common that speak in formats of
// their own, packages openaisim and anthropicsim: their keys and models, their quota, the log of
// requests, failures that are injected, what belongs to a project, and the way of a request from
// its arrival to the end of its answer. It knows no format: routes, bodies, errors and headers
// are the providers'. Package geminisim has its own, as Gemini's keys, logs and resources differ.
//
// A server embeds a [Base], which is also what tests control and read it by. Its request embeds a
// [Call]:
//
//	func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
//		c := &call{Call: s.Begin(w, r, r.Body, "Authorization"), s: s}
//		defer s.End(c.Call)
//		// … find the key with s.Key, and what answers the path, which calls s.Try, s.Delay and c.Write.
//	}
//
// Files, from the top down; a file calls only those below it:
//
//   - base.go: Base, its keys, models, quota, failures and log
//   - call.go: Call, a request from its arrival to the end of its answer
//   - owned.go: Owned, what belongs to a project
//   - text.go: tokens, pieces of text, tools, and JSON
package simserver
