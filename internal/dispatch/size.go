package dispatch

import (
	"context"
	"errors"
	"time"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch/weights"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/completion"
	"fluxgate.dev/fluxgate/internal/payload/sizes"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// A Sizer knows the size of one request.
type Sizer struct {
	// Bytes is what the request is at most if every byte is a token; negative: it
	// holds something other than text, of which bytes say nothing.
	Bytes int64
	// Estimate is for where nobody counts.
	Estimate func() int64
	// Count has the provider count the tokens for a model, with a key. Its error is
	// upstream.ErrUncountable, or an *upstream.Error. Nil: nobody can.
	Count func(ctx context.Context, to Target) (int64, error)
	// Features returns the features with quotas of their own that it asks for, and whether it
	// says what kinds of output are wanted. Nil: none, and it doesn't.
	Features func() (features []string, output bool)
	// Images is how many images it asks for; 0: it doesn't say, which is one if any.
	Images int64
	// Body is what conversations are recognised by; nil: they aren't.
	Body []byte
	// TextOnly says that it refers to nothing that a project may have no access to.
	TextOnly bool
	Other    *weights.Request // what is known of one to another provider than Gemini; nil: it is to Gemini
}

// BodySizer returns the Sizer of a body of the provider's own format.
func BodySizer(body *payload.Body) Sizer {
	refs := body.References
	s := Sizer{Bytes: int64(len(body.Known())), Body: body.Text, Estimate: refs.Estimate, TextOnly: !refs.Media && !refs.Stores && len(refs.Resources) == 0}
	s.Features = func() ([]string, bool) { return payload.Asks(body.Known()) }
	if refs.Media {
		s.Bytes = -1
	}
	s.Count = func(ctx context.Context, to Target) (int64, error) {
		provider, ok := to.provider.(upstream.Prompter)
		if !ok {
			return 0, upstream.ErrUncountable
		}
		return provider.CountBody(ctx, to.Key.Value.Reveal(), to.Model, body)
	}
	return s
}

// PromptSizer returns the Sizer of a prompt. Media of it is none that bytes say
// anything of.
func PromptSizer(p upstream.Prompt) Sizer {
	s := Sizer{Bytes: p.System.TextLen(), TextOnly: true, Estimate: func() int64 { return payload.EstimatePieces(p.System, p.Pieces) }}
	for i := range p.Pieces {
		piece := &p.Pieces[i]
		if len(piece.Media.Base64) > 0 {
			s.Bytes, s.TextOnly = -1, false
			break
		}
		s.Bytes += piece.TextLen()
	}
	s.Count = func(ctx context.Context, to Target) (int64, error) {
		provider, ok := to.provider.(upstream.Prompter)
		if !ok {
			return 0, upstream.ErrUncountable
		}
		asked := p
		asked.Model = to.Model
		return provider.CountPrompt(ctx, to.Key.Value.Reveal(), asked)
	}
	return s
}

// OtherSizer returns the Sizer of a request to another provider.
func OtherSizer(object []byte, read completion.Request) Sizer {
	size := sizes.Of(object, read.Model)
	return Sizer{
		Bytes: -1, TextOnly: true, Estimate: func() int64 { return size.Likely },
		Other: &weights.Request{Fast: read.Fast, Likely: size.Likely, Asked: upstream.Asked{Characters: size.Characters, MaxOutput: read.MaxTokens}},
	}
}

// Across returns the sizer of a request that other providers than Gemini may serve too, for whom
// it is as others says. Gemini is asked, and waited for, only where it is large.
func (s Sizer) Across(others Sizer) Sizer {
	alone := s
	s.Bytes, s.Other = -1, others.Other
	s.Estimate = func() int64 { return max(alone.Estimate(), others.Estimate()) }
	s.Count = func(ctx context.Context, to Target) (int64, error) {
		n, err := alone.Estimate(), error(nil)
		if n > weights.Narrowest && alone.Count != nil {
			n, err = alone.Count(ctx, to)
		}
		return max(n, others.Estimate()), err
	}
	return s
}

// maxCounted bounds the counts that are remembered for callers who return. uploadRate is the slowest upload that is
// reckoned with, in bytes per second: a reservation gets that much allowance for its request to arrive.
const maxCounted, uploadRate = 4096, 4 << 20

// UploadAllowance is the time that the upload of a body of so many bytes may take.
func UploadAllowance(body int) time.Duration {
	if body < 64<<10 {
		return 0
	}
	return time.Duration(body) * time.Second / uploadRate
}

// Size sets the input tokens of a call, and whether they are exact or a bound. One
// that returns is as large as it was told.
//
// No round trip is worth it for plain text throughout which, at one token per byte,
// is at most TPM/RPM of every model that may serve it: then RPM binds whatever the
// true count.
func (d *Dispatcher) Size(ctx context.Context, p *Pool, c *Call, s Sizer) error {
	err := d.sizeInput(ctx, p, c, s)
	if c.other = s.Other; c.other == nil {
		return err
	}
	if c.other.Caller = c.Caller; c.Ticket == nil || c.Ticket.Hash != c.Hash {
		c.other.Input = c.Demand.Tokens
		c.Demand.Tokens = d.outputs.Tokens(c.Models, *c.other)
	}
	return err
}

// sizeInput sets the tokens of the call's input alone.
func (d *Dispatcher) sizeInput(ctx context.Context, p *Pool, c *Call, s Sizer) (err error) {
	c.textOnly, c.images, c.unsaid = s.TextOnly, s.Images, true
	if s.Features != nil {
		found, output := s.Features()
		c.features, c.unsaid = found, !output
	}
	if len(p.Projects) > 1 && s.Body != nil {
		c.turn = d.conversations.Read(c.Caller, s.Body)
	}
	c.count = func(ctx context.Context) (int64, error) {
		if d.count == config.CountEstimate || s.Count == nil {
			return s.Estimate(), nil
		}
		return d.Count(ctx, p, c.Models, s)
	}
	if c.Ticket != nil && c.Ticket.Hash == c.Hash {
		c.Demand.Tokens = c.Ticket.Tokens
		return nil
	}
	if n, ok := d.counted.Get(c.Hash); ok {
		c.Demand.Tokens, c.Exact = n, true
		return nil
	}
	if d.count == config.CountAuto && s.Bytes >= 0 && weights.Small(c.Snapshot, c.Models, s.Bytes) {
		c.Demand.Tokens = s.Bytes
		return nil
	}
	ctx, span := d.telemetry.Count(ctx)
	c.Demand.Tokens, err = c.count(ctx)
	span.Counted(c.Demand.Tokens, failureOf(err))
	if err != nil {
		return err
	}
	c.Exact = true
	d.counted.Put(c.Hash, c.Demand.Tokens)
	return nil
}

// Bounds of counting. It takes from the time of the request itself.
const (
	maxCounts    = 3
	countTimeout = 10 * time.Second // the upload of 32 MiB takes 8 s at uploadRate
)

// Count has Gemini count the tokens, with any usable key. A count that fails is no
// reason to refuse, whatever it says: the request itself may still be served, and
// what is wrong with it is for its own answer to say. It is estimated then. An error
// means that the store failed or the caller has left.
func (d *Dispatcher) Count(ctx context.Context, p *Pool, models []string, s Sizer) (int64, error) {
	p, models = p.Of(upstream.Gemini), scheduler.OfGemini(models)
	if len(models) == 0 {
		return s.Estimate(), nil
	}
	tried := make(map[string]bool) // projects, from which there is nothing more to be had
	for range maxCounts {
		states, err := d.admission.View(ctx, p.IDs())
		if err != nil {
			return 0, err
		}
		key, ok := p.Any(states, tried)
		if !ok {
			break
		}
		to := d.target(key)
		to.Model = models[0]
		n, err := countOnce(ctx, to, s)
		if err == nil {
			return n, nil
		}
		if errors.Is(err, upstream.ErrUncountable) {
			break
		}
		failure := upstream.TransportError(ctx, err)
		d.logger(ctx).Warn("count failed", "key", key.Index, "model", to.Model, "class", failure.Class.String(), "reason", failure.Reason)
		d.telemetry.Failed("count_tokens", telemetry.Target{Provider: key.Of(), Project: key.Project, Model: to.Model}, failure.Class.String())
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		switch failure.Class {
		case upstream.ClassCaller, upstream.ClassTimeout:
			return s.Estimate(), nil // the next would say the same, or take as long
		case upstream.ClassModelGone, upstream.ClassModelUnknown:
			if len(models) == 1 {
				return s.Estimate(), nil
			}
			models = models[1:]
			continue
		case upstream.ClassKeyInvalid:
			// Other keys of the project go on.
			if err := d.condemn(ctx, p, key, failure); err != nil {
				return 0, err
			}
			if failure.Class == upstream.ClassKeyInvalid {
				continue
			}
		}
		tried[key.Project] = true
	}
	return s.Estimate(), nil
}

// countOnce counts with one key. It never hangs.
func countOnce(ctx context.Context, to Target, s Sizer) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	return s.Count(ctx, to)
}
