package chain

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/candidates"
	"fluxgate.dev/fluxgate/internal/dispatch/pool"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/completion"
	"fluxgate.dev/fluxgate/internal/payload/references"
	"fluxgate.dev/fluxgate/internal/providers"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// A Question is what is known of a chat completion.
type Question struct {
	Body     *payload.Body
	Asked    completion.Request
	Fallback string // candidates.FallbackHeader
	Provider string // providers.Header; empty: any
	// Choose returns the model that is named, as it is counted; it is asked for what isn't
	// candidates.Auto.
	Choose func() (string, error)
}

// A Chat is where a chat completion may go, and how it is sized.
type Chat struct {
	Way
	Sizer dispatch.Sizer

	body *payload.Body
}

// Chat returns the chat that is asked for, where models of several providers may serve it; nil:
// one does, or Gemini alone.
func (c *Chain) Chat(ctx context.Context, q Question) (*Chat, error) {
	auto := strings.TrimPrefix(q.Asked.Model, "models/") == candidates.Auto
	if !auto && q.Fallback != "chain" || q.Body.JSON == nil {
		return nil, nil
	}
	snapshot, err := c.admission.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	models, err := c.Models(snapshot, "")
	if err != nil {
		return nil, err
	}
	p, err := c.dispatch.Pool(ctx)
	switch {
	case err != nil:
		return nil, err
	case models != nil:
	case !auto, p.HasKeys(upstream.Gemini) && (q.Provider == "" || q.Provider == upstream.Gemini):
		return nil, nil
	default: // nobody has keys of those whose chain it is, or another provider is named
		if models, err = candidates.Chain(snapshot, ""); err != nil {
			return nil, err
		}
	}
	switch {
	case !auto:
		named, err := q.Choose()
		if err != nil {
			return nil, err
		}
		models = append([]string{named}, slices.DeleteFunc(slices.Clone(models), func(m string) bool { return m == named })...)
	case q.Provider != "":
		whole := models
		if models = slices.DeleteFunc(slices.Clone(models), func(m string) bool { return pool.ProviderOf(m) != q.Provider }); len(models) == 0 {
			return nil, apierror.Invalid(providers.Header, "no model of the chain is that one's: "+strings.Join(whole, ", ")+".")
		}
	}
	if names, err := references.Read(q.Body.JSON, false); err != nil || len(names) > 0 {
		return nil, cmp.Or[error](err, errKept)
	}
	geminis := onlyGemini(q.Body)
	used := completion.Uses(q.Body.JSON)
	way, err := c.among(models, p, func(provider string) string {
		if provider == upstream.Gemini || geminis == "" {
			return providers.Unserved(provider, used)
		}
		return geminis
	})
	if err != nil || way.ofGemini() {
		return nil, err
	}
	return &Chat{Way: *way, Sizer: c.sizer(way, q), body: q.Body}, nil
}

// errKept is the answer to what only one provider has.
var errKept = apierror.Invalid("model", "the request names what one provider keeps: name a model of that one.")

// onlyGemini says what of a body only Gemini takes; "": nothing.
func onlyGemini(body *payload.Body) string {
	switch {
	case len(body.References.Resources) > 0:
		return "files"
	case !body.Standard():
		return "JSON that isn't of the standard"
	case len(payload.Features(body.Known())) > 0:
		return "Gemini's own tools"
	}
	return ""
}

// sizer knows the size of a chat: its input, and for those who count output too what that may be.
func (c *Chain) sizer(way *Way, q Question) dispatch.Sizer {
	s := dispatch.BodySizer(q.Body)
	s.Count = nil
	if in, err := q.Body.Chat(); err == nil {
		s.Count = Count(in)
	}
	return s.Across(dispatch.OtherSizer(q.Body.JSON, q.Asked))
}

// Renamed returns the body for a model: with its name as its provider knows it, and every other
// byte as it came.
func (c *Chat) Renamed(model string) (*payload.Rope, error) { return c.body.Rename(Name(model)) }

// Count returns what has a chat in OpenAI's format counted. One of more messages than are
// worth keeping apart is estimated.
func Count(in *payload.Chat) func(context.Context, dispatch.Target) (int64, error) {
	return func(ctx context.Context, to dispatch.Target) (int64, error) {
		pieces, all := in.Pieces()
		if !all {
			return 0, upstream.ErrUncountable
		}
		return dispatch.PromptSizer(upstream.Prompt{Pieces: pieces}).Count(ctx, to)
	}
}
