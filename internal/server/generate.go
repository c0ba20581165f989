package server

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/gate"
	"fluxgate.dev/fluxgate/internal/gemini"
	"fluxgate.dev/fluxgate/scheduler"
)

// The headers of the product.
const (
	ticketHeader = "X-Fluxgate-Ticket"
	bookedHeader = "X-Fluxgate-Booked"
	bookHeader   = "X-Fluxgate-Book"
)

// The defaults of gemini-flux's generate.
const (
	defaultMaxTokens   = 1000
	defaultTemperature = 0.7
)

// A generateRequest is the body of POST /generate: gemini-flux's own fields,
// and system, model and max_wait.
type generateRequest struct {
	Prompt       string   `json:"prompt"`
	Images       []string `json:"images"` // base64, or data: URLs
	Files        []string `json:"files"`  // likewise
	Mode         string   `json:"mode"`
	PreferredKey *int     `json:"preferred_key"` // public ID of a key
	MaxTokens    *int64   `json:"max_tokens"`
	Temperature  *float64 `json:"temperature"`
	Timeout      *float64 `json:"timeout"` // seconds
	Retry        *bool    `json:"retry"`
	System       string   `json:"system"`
	Model        string   `json:"model"`    // "" or "auto": the chain
	MaxWait      *float64 `json:"max_wait"` // seconds
}

// A generateResponse is gemini-flux's answer, and why it is not whole if it isn't.
type generateResponse struct {
	Response     string  `json:"response"`
	KeyUsed      int     `json:"key_used"`
	ModelUsed    string  `json:"model_used"`
	TokensUsed   int64   `json:"tokens_used"`
	WaitApplied  float64 `json:"wait_applied"` // seconds since the first refusal, 0 without one
	Retried      bool    `json:"retried"`
	FinishReason string  `json:"finish_reason,omitempty"` // such as MAX_TOKENS or SAFETY; left out for STOP
}

var modelName = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)

const maxModelName = 80

// generate serves POST /generate.
func (s *Server) generate(w http.ResponseWriter, r *http.Request) error {
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	in := new(generateRequest)
	if err := decodeBody(body, in); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	upstream, err := in.upstream()
	if err != nil {
		return err
	}
	ctx, cancel := in.deadline(r.Context(), s.cfg.Timeout)
	defer cancel()
	p, err := s.readKeys(ctx)
	if err != nil {
		return err
	}
	c, err := s.prepare(ctx, r, p, in, upstream, body)
	if err != nil {
		return err
	}
	s.logger(ctx).Info("request", "tokens", c.demand.Tokens, "exact", c.exact, "bytes", len(body), "ticket", c.ticket != nil)

	var answer *gemini.Response
	c.send = func(ctx context.Context, to slot) (sent, *gemini.Error) {
		request := upstream
		request.Model = to.model
		var err error
		if answer, err = s.upstream.Generate(ctx, to.key.Value.Reveal(), request); err != nil {
			return sent{}, asUpstream(ctx, err)
		}
		n := answer.PromptTokens
		if n == 0 {
			n = -1
		}
		return sent{promptTokens: n, at: answer.SentAt, modelVersion: answer.ModelVersion}, nil
	}
	out, wait, err := s.dispatch(ctx, p, c)
	switch {
	case err != nil:
		return err
	case wait != nil:
		writeWait(w, native, wait, s.gate.Left(wait))
		return nil
	}
	tokens := answer.PromptTokens
	if tokens == 0 {
		tokens = c.demand.Tokens
	}
	writeJSON(w, http.StatusOK, generateResponse{
		Response: answer.Text, KeyUsed: out.key.Index, ModelUsed: out.model, TokensUsed: tokens,
		WaitApplied: math.Round(out.waited.Seconds()*100) / 100, Retried: out.retried, FinishReason: notWhole(answer),
	})
	return nil
}

// notWhole says why an answer is empty or cut, if it is.
func notWhole(answer *gemini.Response) string {
	switch {
	case answer.BlockReason != "":
		return answer.BlockReason
	case answer.FinishReason == "STOP":
		return ""
	}
	return answer.FinishReason
}

// prepare identifies and sizes the request.
func (s *Server) prepare(ctx context.Context, r *http.Request, p *pool, in *generateRequest, upstream gemini.Request, body []byte) (*call, error) {
	c := &call{
		caller: arrivalOf(r).caller, hash: requestHash(callerOf(r), r.URL.Path, body),
		book:  strings.EqualFold(r.Header.Get(bookHeader), "true"),
		retry: in.Retry == nil || *in.Retry,
	}
	var err error
	c.ticket = s.ticket(ctx, r, c.caller.Name)
	if in.MaxWait != nil {
		wait := seconds(*in.MaxWait)
		c.maxWait = &wait
	}
	if in.PreferredKey != nil {
		// One that isn't there is as good as none, as in gemini-flux.
		c.prefer, _ = p.byIndex(*in.PreferredKey)
	}
	if c.models, err = s.models(ctx, in); err != nil {
		return nil, err
	}
	c.count = func(ctx context.Context) (int64, error) {
		if s.cfg.Count == config.CountEstimate {
			return estimate(upstream), nil
		}
		return s.ask(ctx, p, c.models, upstream)
	}
	c.demand = scheduler.Demand{Requests: 1, Allowance: uploadAllowance(len(body))}
	c.demand.Tokens, c.exact, err = s.size(ctx, c, func() (int64, bool) { return s.bound(c.models, upstream) })
	return c, err
}

// ticket returns the verified ticket of a request. One that can't be verified
// counts as none: signing keys are lost with a store, and the caller must not be
// locked out for it.
func (s *Server) ticket(ctx context.Context, r *http.Request, caller string) *gate.Ticket {
	text := r.Header.Get(ticketHeader)
	if text == "" {
		return nil
	}
	t, err := s.gate.ParseTicket(text, caller)
	if err != nil {
		s.logger(ctx).Warn("ticket ignored", "error", err)
		return nil
	}
	return t
}

// models returns those that may serve a request: the pinned one, or those of
// the chain that the mode lets through.
func (s *Server) models(ctx context.Context, in *generateRequest) ([]string, error) {
	if in.Model != "" && in.Model != "auto" {
		return []string{in.Model}, nil
	}
	mode := scheduler.Mode(in.Mode)
	if mode == "" {
		var err error
		if mode, err = s.mode(ctx); err != nil {
			return nil, err
		}
	}
	chain := s.gate.Rules().Policy.Chain(mode)
	if len(chain) == 0 {
		return nil, &problem{code: noUsableKey, public: fmt.Sprintf("No model of the chain is left in mode %s.", mode)}
	}
	return chain, nil
}

// check checks what a decoded body holds.
func (in *generateRequest) check() error {
	in.Model = strings.TrimPrefix(in.Model, "models/")
	switch {
	case in.Prompt == "" && len(in.Images)+len(in.Files) == 0:
		return invalid("prompt", "say what to generate.")
	case !validMode(in.Mode):
		return invalid("mode", modeWanted)
	case in.Model != "" && (len(in.Model) > maxModelName || !modelName.MatchString(in.Model)):
		return invalid("model", `want a model name such as "gemini-2.5-flash", or "auto".`)
	case in.MaxTokens != nil && (*in.MaxTokens < 1 || *in.MaxTokens > math.MaxInt32):
		return invalid("max_tokens", "want a whole number from 1 to 2147483647.")
	case in.Temperature != nil && (*in.Temperature < 0 || *in.Temperature > 2):
		return invalid("temperature", "want a number from 0 to 2.")
	case in.Timeout != nil && (*in.Timeout <= 0 || *in.Timeout > 3600):
		return invalid("timeout", "want seconds, more than 0 and at most 3600.")
	case in.MaxWait != nil && (*in.MaxWait < 0 || *in.MaxWait > 90_000):
		return invalid("max_wait", "want seconds, from 0 to 90000.")
	}
	return nil
}

const modeWanted = "want one of both, pro_only, flash_only and flash_lite_only."

func validMode(mode string) bool {
	_, err := scheduler.ParseMode(mode)
	return err == nil
}

// upstream translates the request.
func (in *generateRequest) upstream() (gemini.Request, error) {
	out := gemini.Request{System: in.System, MaxOutputTokens: defaultMaxTokens}
	if in.MaxTokens != nil {
		out.MaxOutputTokens = int32(*in.MaxTokens)
	}
	temperature := float32(defaultTemperature)
	if in.Temperature != nil {
		temperature = float32(*in.Temperature)
	}
	out.Temperature = &temperature
	if in.Prompt != "" {
		out.Parts = append(out.Parts, gemini.Part{Text: in.Prompt})
	}
	for _, media := range []struct {
		field string
		list  []string
	}{{"images", in.Images}, {"files", in.Files}} {
		for i, text := range media.list {
			part, err := inlinePart(text)
			if err != nil {
				return gemini.Request{}, invalid(fmt.Sprintf("%s[%d]", media.field, i), "want base64, or a data: URL in base64.")
			}
			out.Parts = append(out.Parts, part)
		}
	}
	return out, nil
}

// deadline bounds the request by its own timeout, or the server's.
func (in *generateRequest) deadline(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	if in.Timeout != nil {
		most = min(most, seconds(*in.Timeout))
	}
	return context.WithTimeout(ctx, most)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// requestHash identifies a request: the same caller, route and body is a return.
func requestHash(caller, route string, body []byte) uint64 {
	var text [256]byte
	head := text[:0]
	for _, part := range []string{caller, route} {
		head = strconv.AppendInt(head, int64(len(part)), 10)
		head = append(append(head, ':'), part...)
	}
	h := sha256.New()
	h.Write(head)
	h.Write(body)
	var sum [sha256.Size]byte
	return binary.BigEndian.Uint64(h.Sum(sum[:0]))
}
