package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/gemini"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/scheduler"
)

// upstreamVersion is the API version that everything is sent to.
const upstreamVersion = "v1beta"

// callModel serves POST /v1beta/models/{model}:{method}.
func (s *Server) callModel(w http.ResponseWriter, r *http.Request) error {
	model, method, ok := strings.Cut(r.PathValue("call"), ":")
	if !ok || !validModel(model) {
		return errNoRoute
	}
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	said, err := readMentions(body)
	if err != nil {
		return invalid("body", "want one JSON object.")
	}
	x := &relay{
		s: s, w: w, r: r, body: body, said: said, usage: geminiUsage,
		path:    func(model string) string { return upstreamVersion + "/models/" + model + ":" + method },
		payload: func(string) ([]byte, error) { return body, nil },
	}
	requests := int64(1)
	switch method {
	case "generateContent":
	case "streamGenerateContent":
		x.stream = true
	case "embedContent":
	case "batchEmbedContents":
		// Quota is charged per text, not per call. The model is named in every
		// one of them too, so it can't be replaced without touching the body.
		if requests, err = countTexts(body); err != nil {
			return err
		}
	case "countTokens":
		return x.free(r.Context(), model)
	default:
		return errNoRoute
	}
	models, err := s.candidates(r.Context(), r, model)
	if method == "embedContent" || method == "batchEmbedContents" {
		models, err = embedders(r, model)
	}
	if err != nil {
		return err
	}
	x.counter = func(ctx context.Context, p *pool) (int64, error) { return s.countRaw(ctx, p, models, x) }
	return x.serve(models, requests)
}

func validModel(name string) bool {
	return len(name) <= maxModelName && modelName.MatchString(name)
}

// countTexts returns how many texts a batchEmbedContents body holds.
func countTexts(body []byte) (int64, error) {
	var in struct {
		Requests []json.RawMessage `json:"requests"`
	}
	if err := json.Unmarshal(body, &in); err != nil || len(in.Requests) == 0 {
		return 0, invalid("requests", "want a list of at least one text.")
	}
	return int64(len(in.Requests)), nil
}

// candidates returns the models that may serve a request for a name: the chain
// of the current mode for "auto"; else that model alone, or it and the chain
// after it if the caller allows that.
func (s *Server) candidates(ctx context.Context, r *http.Request, name string) ([]string, error) {
	fallback := r.Header.Get(fallbackHeader)
	if fallback != "" && fallback != "chain" {
		return nil, invalid(fallbackHeader, `want "chain", or leave it out.`)
	}
	if name != autoModel && fallback == "" {
		return []string{name}, nil
	}
	mode, err := s.mode(ctx)
	if err != nil {
		return nil, err
	}
	chain := s.gate.Rules().Policy.Chain(mode)
	if name != autoModel {
		models := []string{name}
		for _, m := range chain {
			if m != name {
				models = append(models, m)
			}
		}
		return models, nil
	}
	if len(chain) == 0 {
		return nil, &problem{code: noUsableKey, public: fmt.Sprintf("No model of the chain is left in mode %s.", mode)}
	}
	return chain, nil
}

// embedders returns the models that may serve an embedding: vectors of different
// models don't go together, so nothing stands in for the one that is named.
func embedders(r *http.Request, name string) ([]string, error) {
	if name == autoModel {
		return nil, invalid("model", `"auto" stands for models that generate text; name an embedding model.`)
	}
	if r.Header.Get(fallbackHeader) != "" {
		return nil, invalid(fallbackHeader, "no other model can stand in for an embedding model.")
	}
	return []string{name}, nil
}

// free serves a request that costs no quota, for the first of the models that is
// there.
func (x *relay) free(ctx context.Context, model string) error {
	p, err := x.s.readKeys(ctx)
	if err != nil {
		return err
	}
	if p, err = x.s.owners(ctx, p, x.said.resources); err != nil {
		return err
	}
	models, err := x.s.candidates(ctx, x.r, model)
	if err != nil {
		return err
	}
	for i, model := range models {
		err = x.passOn(ctx, p, model, true)
		var failure *gemini.Error
		if i+1 == len(models) || !errors.As(err, &failure) ||
			failure.Class != gemini.ClassModelGone && failure.Class != gemini.ClassModelUnknown {
			break
		}
	}
	return err
}

// withAnyKey has a free request sent with one usable key after another until
// one isn't refused for a reason of its own; again says whether it may be sent
// twice when upstream fails otherwise.
func (s *Server) withAnyKey(ctx context.Context, p *pool, again bool, send func(ctx context.Context, to slot) *gemini.Error) error {
	tried := make(map[string]bool)
	var last error = &problem{code: noUsableKey, public: "No usable key is left for this request. See /status."}
	for projects, invalid := 0, 0; projects < maxCounts && invalid <= len(p.keys); {
		states, err := s.gate.Store().View(ctx, p.ids())
		if err != nil {
			return err
		}
		key, ok := p.any(states, tried)
		if !ok {
			break
		}
		failure := send(ctx, slot{key: key})
		if failure == nil {
			return nil
		}
		last = failure
		s.telemetry.Failed("resource", telemetry.Target{Project: key.Project}, failure.Class.String())
		switch failure.Class {
		case gemini.ClassKeyInvalid:
			// Other keys of the project go on.
			if err := s.markInvalid(ctx, key, failure); err != nil {
				return err
			}
			invalid++
			continue
		case gemini.ClassBilling, gemini.ClassBare429, gemini.ClassMinute, gemini.ClassDay, gemini.ClassNoQuota,
			gemini.ClassModelGone:
		case gemini.ClassServer:
			if !again && !failure.SentAt.IsZero() {
				return failure
			}
		default:
			return failure
		}
		projects++
		tried[key.Project] = true
	}
	return last
}

// listModels serves GET /v1beta/models, with "auto" as the first of the first
// page, and GET /v1beta/models/{model}.
func (s *Server) listModels(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("call")
	first := r.URL.Query().Get("pageToken") == ""
	return s.modelList(w, r, name, upstreamVersion+"/models", "models", autoEntry, first)
}

// modelList passes on a list of models, with the chain before those of the first
// page, or one model, which the chain may be too.
func (s *Server) modelList(w http.ResponseWriter, r *http.Request, name, path, member string, auto any, first bool) error {
	switch {
	case name == autoModel:
		writeJSON(w, http.StatusOK, auto)
		return nil
	case name != "" && !validModel(name):
		return errNoRoute
	case name != "":
		path += "/" + name
	}
	return s.relayList(w, r, path, func(list []byte) []byte {
		if name != "" || !first {
			return list
		}
		return prepend(list, member, auto)
	})
}

// maxModelList bounds a page of the model list.
const maxModelList = 8 << 20

// autoEntry describes the chain as a model.
var autoEntry = map[string]any{
	"name": "models/" + autoModel, "version": autoModel, "displayName": "Fluxgate's chain",
	"description":                "The first model of the chain whose day is not spent, on the project that can take the request first.",
	"inputTokenLimit":            scheduler.ContextWindow(""),
	"outputTokenLimit":           65_536,
	"supportedGenerationMethods": []string{"generateContent", "countTokens"},
}

// countRaw has upstream count the tokens of a native body: all of it, with its
// system instruction and tools.
func (s *Server) countRaw(ctx context.Context, p *pool, models []string, x *relay) (int64, error) {
	var request map[string]json.RawMessage
	if err := json.Unmarshal(x.body, &request); err != nil {
		return 0, invalid("body", "want one JSON object.")
	}
	if _, ok := request["contents"]; !ok {
		// Embeddings and other bodies that countTokens doesn't take.
		return x.said.estimate(), nil
	}
	model, err := json.Marshal("models/" + models[0])
	if err != nil {
		return 0, err
	}
	request["model"] = model
	payload, err := json.Marshal(map[string]any{"generateContentRequest": request})
	if err != nil {
		return 0, err
	}
	var tokens int64
	err = s.withAnyKey(ctx, p, true, func(ctx context.Context, to slot) *gemini.Error {
		n, failure := s.countPayload(ctx, to, models[0], payload)
		tokens = n
		return failure
	})
	var failure *gemini.Error
	switch {
	case err == nil:
		return tokens, nil
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case errors.As(err, &failure) && failure.Class == gemini.ClassCaller && failure.Reason != gemini.ReasonLocation,
		errors.As(err, &failure) && failure.Class == gemini.ClassModelUnknown:
		return 0, failure
	}
	// A count that fails is no reason to refuse.
	s.logger(ctx).Warn("count failed", "model", models[0], "error", err)
	return x.said.estimate(), nil
}

func (s *Server) countPayload(ctx context.Context, to slot, model string, payload []byte) (int64, *gemini.Error) {
	ctx, cancel := context.WithTimeout(gemini.WithKey(ctx, to.key.Value.Reveal()), countTimeout)
	defer cancel()
	resp, err := s.post(ctx, upstreamVersion+"/models/"+model+":countTokens", payload)
	if err != nil {
		return 0, gemini.TransportError(ctx, err)
	}
	defer resp.Body.Close()
	text := readError(resp.Body)
	var out struct {
		TotalTokens int64 `json:"totalTokens"`
	}
	if resp.StatusCode != http.StatusOK || json.Unmarshal(text, &out) != nil {
		return 0, gemini.Classify(resp.StatusCode, text, to.key.Value.Reveal())
	}
	return out.TotalTokens, nil
}
