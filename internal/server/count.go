package server

import (
	"context"
	"errors"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/gemini"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/scheduler"
)

// The rule of estimates, for FLUXGATE_COUNT=estimate and for when upstream
// can't be asked. It errs on the high side for prose in any language; what it
// is off by is put right when the answer says what was counted.
const (
	estimateBytesPerToken = 2    // of text; English has about four
	estimateImage         = 1290 // tokens of an image, five tiles
	estimatePage          = 258  // tokens of a page, or of 32 KiB of any other document
	estimatePageBytes     = 32 << 10
)

// maxCounted bounds the counts that are remembered for callers who return.
const maxCounted = 4096

// uploadRate is the slowest upload that is reckoned with, in bytes per second:
// a reservation gets that much allowance for its request to arrive.
const uploadRate = 4 << 20

// size returns the input tokens of a request, and whether they are exact or a
// bound. One that returns is as large as it was told.
func (s *Server) size(ctx context.Context, c *call, bound func() (int64, bool)) (tokens int64, exact bool, err error) {
	if c.ticket != nil && c.ticket.Hash == c.hash {
		return c.ticket.Tokens, false, nil
	}
	if n, ok := s.counted.get(c.hash); ok {
		return n, true, nil
	}
	if s.cfg.Count == config.CountAuto {
		if n, ok := bound(); ok {
			return n, false, nil
		}
	}
	ctx, span := s.telemetry.Count(ctx)
	tokens, err = c.count(ctx)
	span.Counted(tokens, failureOf(err))
	if err != nil {
		return 0, false, err
	}
	s.counted.put(c.hash, tokens)
	return tokens, true, nil
}

// bound sizes a request for which no round trip is worth it: plain text
// throughout which, at one token per byte, is at most TPM/RPM of every model
// that may serve it. Then RPM binds whatever the true count.
func (s *Server) bound(models []string, r gemini.Request) (int64, bool) {
	bytes := int64(len(r.System))
	for _, part := range r.Parts {
		if len(part.Data) > 0 || part.FileURI != "" {
			return 0, false
		}
		bytes += int64(len(part.Text))
	}
	return bytes, s.small(models, bytes)
}

// small reports whether so many tokens are at most TPM/RPM of every model.
func (s *Server) small(models []string, tokens int64) bool {
	for _, model := range models {
		l := s.gate.Rules().Policy.Limits(model)
		if l.TPM != scheduler.Unlimited && (l.RPM <= 0 || tokens > l.TPM/l.RPM) {
			return false
		}
	}
	return true
}

func estimate(r gemini.Request) int64 {
	n := int64(len(r.System)+estimateBytesPerToken-1) / estimateBytesPerToken
	for _, part := range r.Parts {
		n += int64(len(part.Text)+estimateBytesPerToken-1) / estimateBytesPerToken
		switch {
		case strings.HasPrefix(part.MIMEType, "image/"):
			n += estimateImage
		case len(part.Data) > 0 || part.FileURI != "":
			n += estimatePage * int64(1+len(part.Data)/estimatePageBytes)
		}
	}
	return max(n, 1)
}

// Bounds of counting. It takes from the time of the request itself.
const (
	maxCounts    = 3
	countTimeout = 10 * time.Second // the upload of 32 MiB takes 8 s at uploadRate
)

// ask has upstream count the tokens, with any usable key. Where upstream can't
// say, the request is estimated: a count that fails is no reason to refuse.
func (s *Server) ask(ctx context.Context, p *pool, models []string, r gemini.Request) (int64, error) {
	states, err := s.gate.Store().View(ctx, p.ids())
	if err != nil {
		return 0, err
	}
	tried := make(map[string]bool) // projects, from which there is nothing more to be had
	for range maxCounts {
		key, ok := p.any(states, tried)
		if !ok {
			break
		}
		r.Model = models[0]
		n, failure := s.countOnce(ctx, key, r)
		if failure == nil {
			return n, nil
		}
		s.logger(ctx).Warn("count failed", "key", key.Index, "model", r.Model, "class", failure.Class.String(), "reason", failure.Reason)
		s.telemetry.Failed("count_tokens", telemetry.Target{Project: key.Project, Model: r.Model}, failure.Class.String())
		known := failure.Class != gemini.ClassModelUnknown && failure.Class != gemini.ClassModelGone
		switch {
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case failure.Class == gemini.ClassCaller && failure.Reason != gemini.ReasonLocation:
			return 0, failure // malformed whichever key counts it
		case failure.Class == gemini.ClassTimeout:
			return estimate(r), nil
		case !known && len(models) > 1:
			models = models[1:]
			continue
		case failure.Class == gemini.ClassModelUnknown:
			return 0, failure
		case failure.Class == gemini.ClassKeyInvalid:
			if err := s.markInvalid(ctx, key, failure); err != nil {
				return 0, err
			}
		}
		tried[key.Project] = true
	}
	return estimate(r), nil
}

// countOnce counts with one key. It never hangs.
func (s *Server) countOnce(ctx context.Context, key keys.Key, r gemini.Request) (int64, *gemini.Error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	n, err := s.upstream.CountTokens(ctx, key.Value.Reveal(), r)
	if err != nil {
		return 0, asUpstream(ctx, err)
	}
	return n, nil
}

// asUpstream returns the error of package gemini that err is, or makes one.
func asUpstream(ctx context.Context, err error) *gemini.Error {
	var failure *gemini.Error
	if !errors.As(err, &failure) {
		failure = gemini.TransportError(ctx, err)
	}
	return failure
}

// uploadAllowance is the time that the upload of a body may take.
func uploadAllowance(body int) time.Duration {
	if body < 64<<10 {
		return 0
	}
	return time.Duration(body) * time.Second / uploadRate
}
