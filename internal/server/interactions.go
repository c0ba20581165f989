package server

import (
	"context"
	"net/http"
	"slices"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/payload/interaction"
)

// Interactions are upstream's own conversations. Each turn is one, and refers to the
// one before, which is kept by the project that made it, and belongs to the caller. An
// agent is counted like a model of its name; that is a guess.

// interactionsPath is where they lie upstream.
const interactionsPath = passing.UpstreamVersion + "/interactions"

// createInteraction serves POST /v1beta/interactions.
func (s *Server) createInteraction(w http.ResponseWriter, r *http.Request) error {
	read, held, err := s.readPayload(w, r)
	defer held.Release()
	if err != nil {
		return err
	}
	if read.JSON == nil {
		// It may name another model than is found in it, which would be sent without a
		// slot.
		return payload.ErrNotObject
	}
	in, err := interaction.Read(read.JSON)
	if err != nil {
		return err
	}
	refs := *read.References
	refs.Resources = slices.Concat(refs.Resources, in.Previous)
	x := &relay{
		s: s, w: w, r: r, body: read.Text, refs: &refs, metered: true, stream: in.Stream, sizer: dispatch.BodySizer(read), requests: 1,
		path: func(string) string { return interactionsPath },
	}
	if in.Agent == "" {
		x.renamed = read.Rename
	}
	x.sizer.Count = nil // nobody counts those
	if len(in.Previous) > 0 {
		// What was said before is read again, and isn't in the body.
		x.sizer.Bytes = -1
		x.sizer.Count = s.dispatch.CountConversation(in.Previous, refs.Estimate)
	}
	if in.Store {
		x.seen = s.noteInteraction(r)
	}
	return x.serve(in.Model + in.Agent)
}

// noteInteraction returns what writes down whose an interaction is, once its ID comes by and before
// the caller sees it. The answer is the caller's even if that fails.
func (s *Server) noteInteraction(r *http.Request) func(ctx context.Context, to dispatch.Target, text []byte) {
	var finder answers.InteractionFinder
	noted := false
	return func(ctx context.Context, to dispatch.Target, text []byte) {
		if noted {
			return
		}
		if name := finder.Find(text); name != "" {
			noted = true
			if err := s.dispatch.MadeOne(ctx, s.who(r), to.Key.Project, name); err != nil {
				s.logger(ctx).Warn("not kept whose an interaction is", "error", err)
			}
		}
	}
}

// interaction serves GET and DELETE of one, and POST of its cancel.
func (s *Server) interaction(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if !payload.ValidResource(id) {
		return errNoRoute
	}
	name := interaction.Kind + id
	ctx, who := r.Context(), s.who(r)
	p, err := s.dispatch.PoolFor(ctx, who, []string{name})
	if err != nil {
		return err
	}
	path := passing.UpstreamVersion + "/" + name
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		x := &relay{s: s, w: w, r: r, stream: r.URL.Query().Get("stream") == "true", path: func(string) string { return path }}
		return x.passFree(ctx, p, "", true)
	case http.MethodPost:
		path += "/cancel"
	}
	body, held, err := s.readBody(w, r)
	defer held.Release()
	if err != nil {
		return err
	}
	a, err := s.change(r, p, path, body, false)
	if err != nil {
		return err
	}
	if r.Method == http.MethodDelete {
		s.dispatch.Gone(ctx, a.to.Key.Project, name)
	}
	a.pass(w)
	return nil
}
