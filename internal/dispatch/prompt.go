package dispatch

import (
	"context"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/dispatch/candidates"
	"fluxgate.dev/fluxgate/internal/dispatch/weights"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// The defaults of gemini-flux's generate.
const (
	defaultMaxTokens   = 1000
	defaultTemperature = 0.7
)

// A Prompt is a request of POST /generate that has been read and checked.
type Prompt struct {
	*payload.Generate
	Mode   scheduler.Mode // "": the one in force
	prompt upstream.Prompt
	bytes  int
}

// HasMedia reports whether it is more than texts.
func (p *Prompt) HasMedia() bool {
	return slices.ContainsFunc(p.prompt.Pieces, func(x payload.Piece) bool { return len(x.Media.Base64) > 0 })
}

// ReadPrompt reads the body of POST /generate. What it fails with is the caller's
// to mend.
func ReadPrompt(body []byte) (*Prompt, error) {
	in, err := payload.ReadGenerate(body)
	if err != nil {
		return nil, err
	}
	p := &Prompt{Generate: in, bytes: len(body)}
	if p.Mode, err = candidates.ParseMode(in.Mode); err != nil {
		return nil, err
	}
	media, err := in.Media()
	if err != nil {
		return nil, err
	}
	temperature := float32(defaultTemperature)
	if in.Temperature != nil {
		temperature = float32(*in.Temperature)
	}
	p.prompt = upstream.Prompt{System: payload.Piece{Quoted: in.System}, MaxOutputTokens: defaultMaxTokens, Temperature: &temperature, Usual: in.Temperature == nil}
	if in.MaxTokens != nil {
		p.prompt.MaxOutputTokens = int32(*in.MaxTokens)
	}
	p.prompt.Pieces = make([]payload.Piece, 0, 1+len(media))
	if prompt := (payload.Piece{Quoted: in.Prompt}); prompt.IsText() {
		p.prompt.Pieces = append(p.prompt.Pieces, prompt)
	}
	for _, m := range media {
		p.prompt.Pieces = append(p.prompt.Pieces, payload.Piece{Media: m})
	}
	return p, nil
}

// Prepare completes and sizes the call of a prompt, whose snapshot, caller, hash, ticket and
// models are set. The answer comes in reply.
func (d *Dispatcher) Prepare(ctx context.Context, p *Pool, c *Call, in *Prompt, reply **upstream.Reply) error {
	// To go on elsewhere after a refusal is safe. What may have been served and
	// billed is sent again only where the caller says so.
	c.Retry = in.Retry == nil || *in.Retry
	c.Resend = in.Retry != nil && *in.Retry
	if wait := in.MaxWait(); wait != nil {
		c.MaxWait = wait
	}
	if in.PreferredKey != nil {
		// One that isn't there is as good as none, as in gemini-flux.
		c.Prefer, _ = p.ByIndex(*in.PreferredKey)
	}
	c.Demand = scheduler.Demand{Requests: 1, Allowance: UploadAllowance(in.bytes)}
	c.Send = SendPrompt(in.prompt, reply)
	s := PromptSizer(in.prompt)
	if len(scheduler.OfGemini(c.Models)) < len(c.Models) {
		s = s.Across(Sizer{Estimate: s.Estimate, Other: &weights.Request{Likely: s.Estimate(), Asked: upstream.Asked{MaxOutput: int64(in.prompt.MaxOutputTokens)}}})
	}
	return d.Size(ctx, p, c, s)
}

// SendPrompt returns a Call's Send for a prompt, which puts the answer into reply.
func SendPrompt(p upstream.Prompt, reply **upstream.Reply) func(context.Context, Target) (Sent, *upstream.Error) {
	return func(ctx context.Context, to Target) (Sent, *upstream.Error) {
		asked := p
		asked.Model = strings.TrimPrefix(to.Model, to.Key.Provider+"/")
		provider, ok := to.provider.(upstream.Generator)
		if !ok {
			return Sent{}, &upstream.Error{Class: upstream.ClassCaller, Reason: upstream.ReasonInvalidRequest, Message: "This provider isn't sent prompts."}
		}
		answer, err := provider.Generate(ctx, to.Key.Value.Reveal(), asked)
		if err != nil {
			return Sent{}, upstream.TransportError(ctx, err)
		}
		*reply = answer
		tokens := answer.PromptTokens
		if tokens == 0 {
			tokens = -1
		}
		return Sent{PromptTokens: tokens, Untold: tokens < 0, Tokens: answer.Tokens, At: answer.SentAt, ModelVersion: answer.ModelVersion, Limits: answer.Limits}, nil
	}
}
