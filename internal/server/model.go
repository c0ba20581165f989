package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/chain"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/candidates"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/form"
	"fluxgate.dev/fluxgate/internal/payload/interaction"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// askModel serves a request to a model.
func (s *Server) askModel(w http.ResponseWriter, r *http.Request, m match) error {
	if m.Forms && form.Is(r.Header.Get("Content-Type")) {
		return s.askByForm(w, r, m)
	}
	read, held, err := s.received.Payload(w, r)
	defer held.Release()
	if err != nil {
		return err
	}
	x := &relay{
		s: s, w: w, r: r, body: read.Text, refs: read.References, metered: true, stream: m.Flow == routes.Streams,
		generates: m.Candidates && passing.IsWhole(r), writes: !m.Pinned, sizer: dispatch.BodySizer(read), requests: 1, path: m.path,
	}
	if !m.Chats() { // Gemini keeps none
		x.noting = s.noting(r, m)
	}
	if m.Feature != "" {
		x.sizer.Features = func() ([]string, bool) { return []string{m.Feature}, true }
		x.sizer.Images = imagesOf(read.JSON)
	}
	if m.Uncounted {
		x.sizer.Count = nil
	}
	if m.Model != routes.InPath && read.JSON == nil {
		return payload.ErrNotObject // it may name another model than is found in it, which would be sent without a slot
	}
	if m.Others {
		if done, err := x.askOther(m, read); done {
			return err
		}
	}
	model, err := x.understand(m, read)
	switch {
	case err != nil:
		return err
	case m.Counts == routes.Free:
		return x.free(r.Context(), model)
	case m.Counts == routes.Jobs:
		return x.job(m, model, read)
	}
	return x.serve(model, m.Pinned)
}

// maxImages is the most images that one request gets: n of OpenAI's format is at most 10
// (documented), sampleCount of Gemini's 4. More are upstream's to refuse, and weigh no more.
const maxImages = 10

// imagesOf returns how many images a body asks for, in OpenAI's format or Gemini's; 0: it doesn't
// say, or it can't be read.
func imagesOf(body []byte) int64 {
	var asked struct {
		N          int64
		Parameters struct{ SampleCount int64 }
	}
	_ = json.Unmarshal(body, &asked)
	return min(max(0, asked.N, asked.Parameters.SampleCount), maxImages)
}

// askByForm is askModel for a body that is a form, which passes with its own type: what can't be
// read in it as upstream might read it is refused.
func (s *Server) askByForm(w http.ResponseWriter, r *http.Request, m match) error {
	text, held, err := s.received.Body(w, r)
	defer held.Release()
	if err != nil {
		return err
	}
	in, err := form.Read(text, r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	x := &relay{
		s: s, w: w, r: passing.AsForm(r), body: text, refs: in.References, metered: true, requests: 1, path: m.path,
		sizer: dispatch.Sizer{Bytes: -1, Estimate: in.References.Estimate},
	}
	x.noting = s.noting(r, m)
	if m.Others {
		if done, err := x.askOtherByForm(m, in); done {
			return err
		}
	}
	if !payload.ValidModel(in.Model) {
		return payload.ErrModel
	}
	return x.serve(in.Model, m.Pinned)
}

// understand reads of a body what the relay depends on, and which model it is for.
func (x *relay) understand(m match, read *payload.Body) (model string, err error) {
	switch m.Model {
	case routes.InBody:
		return x.understandChat(m, read)
	case routes.AgentInBody:
		return x.understandInteraction(read)
	}
	if m.Each != "" {
		// Quota is charged per text, not per call. The model is named in every
		// one of them too, so it can't be replaced without touching the body.
		x.requests = read.CountTexts()
	}
	return m.names[0], nil
}

// understandChat is understand for a body in OpenAI's format.
func (x *relay) understandChat(m match, read *payload.Body) (string, error) {
	in, err := read.Chat()
	if err != nil {
		return "", err
	}
	model := strings.TrimPrefix(in.Model, "models/")
	if x.prefixed {
		model = strings.TrimPrefix(model, upstream.Gemini+"/")
	}
	if !payload.ValidModel(model) {
		return "", payload.ErrModel
	}
	x.renamed = read.Rename
	if m.Pinned {
		if m.Each != "" {
			x.requests, err = in.CountInputs()
		}
		return model, err
	}
	// Upstream counts what is Gemini's own: the chat in its terms, as far as its size
	// goes.
	x.stream, x.sizer.Count = in.Stream, chain.Count(in)
	return model, in.CheckMessages()
}

// understandInteraction is understand for upstream's own conversations. Each turn is one,
// and refers to the one before, which is kept by the project that made it, and belongs to
// the caller. An agent is counted like a model of its name; that is a guess.
func (x *relay) understandInteraction(read *payload.Body) (string, error) {
	in, err := interaction.Read(read.JSON)
	if err != nil {
		return "", err
	}
	refs := *read.References
	refs.Resources = slices.Concat(refs.Resources, in.Previous)
	x.refs, x.stream = &refs, in.Stream
	if in.Agent == "" {
		x.renamed = read.Rename
	}
	if len(in.Previous) > 0 {
		// What was said before is read again, and isn't in the body.
		x.sizer.Bytes = -1
		x.sizer.Count = exchange.CountConversation(in.Previous, refs.Estimate)
	}
	if !in.Store {
		x.noting.Unkept()
	}
	return in.Model + in.Agent, nil
}

// free serves a request that costs no quota, for the first of the models that is
// there.
func (x *relay) free(ctx context.Context, model string) error {
	p, err := x.s.dispatch.PoolFor(ctx, x.s.who(x.r), x.refs.Resources)
	if err != nil {
		return err
	}
	snapshot, err := x.s.admission.Snapshot(ctx)
	if err != nil {
		return err
	}
	models, err := candidates.Of(snapshot, model, x.r.Header.Get(candidates.FallbackHeader))
	if err != nil {
		return err
	}
	for i, model := range models {
		err = x.passFree(ctx, p, model, true)
		var failure *upstream.Error
		if i+1 == len(models) || !errors.As(err, &failure) ||
			failure.Class != upstream.ClassModelGone && failure.Class != upstream.ClassModelUnknown {
			break
		}
	}
	return err
}
