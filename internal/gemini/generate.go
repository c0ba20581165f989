package gemini

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/genai"
)

// Part is one piece of a prompt. Usually one of text, inline data and file reference is set; if several are, they are
// sent in that order. An empty part is left out.
type Part struct {
	Text     string
	Data     []byte // sent inline, base64; MIMEType is its type
	MIMEType string
	FileURI  string // a file of the key's own project; MIMEType is its type
}

// Request is one prompt for one model.
type Request struct {
	Model           string // with or without "models/"
	System          string // system instruction; "" for none
	Parts           []Part
	MaxOutputTokens int32    // 0: the model's default
	Temperature     *float32 // nil: the model's default
	ResponseSchema  *Schema  // the text of the answer is to be JSON of this form; nil: any text
}

// Schema describes JSON in the subset of OpenAPI that Gemini takes as a responseSchema.
type Schema = genai.Schema

// Response is the model's answer. A blocked prompt, an answer stopped for safety and one that used up its tokens before
// it said anything are answers with an empty or partial text: BlockReason or FinishReason says which.
type Response struct {
	Text         string // the first candidate's text without thoughts
	PromptTokens int64  // what counts against tokens per minute, cached tokens included
	OutputTokens int64  // candidates and thoughts
	TotalTokens  int64
	ModelVersion string // the model that answered
	FinishReason string // for example STOP, MAX_TOKENS or SAFETY; "" if there was no candidate
	BlockReason  string // why the prompt was refused, for example SAFETY; "" if it wasn't
	SentAt       time.Time
}

// Model is one entry of upstream's list.
type Model struct {
	Name            string   // without "models/"
	Methods         []string // for example generateContent, countTokens
	InputTokenLimit int64    // tokens; 0 if upstream doesn't say
}

// Generate sends r once, with key as its only credential. Every error is an [*Error].
func (c *Client) Generate(ctx context.Context, key string, r Request) (*Response, error) {
	model, err := resourceName(r.Model)
	if err != nil {
		return nil, err
	}
	if t := r.Temperature; t != nil && (math.IsNaN(float64(*t)) || math.IsInf(float64(*t), 0)) {
		return nil, &Error{Class: ClassCaller, HTTPStatus: http.StatusBadRequest, Status: "INVALID_ARGUMENT",
			Reason: ReasonInvalidRequest, Message: "The temperature isn't a number."}
	}
	// The SDK fills in the config that it is given, so each call has its own. Continuation would send further billed
	// requests that nobody reserved.
	config := &genai.GenerateContentConfig{
		SystemInstruction:     systemContent(r),
		MaxOutputTokens:       r.MaxOutputTokens,
		Temperature:           r.Temperature,
		AutomaticContinuation: genai.Ptr(false),
	}
	if r.ResponseSchema != nil {
		config.ResponseMIMEType, config.ResponseSchema = "application/json", r.ResponseSchema
	}
	ctx, state := c.call(ctx, key)
	out, err := c.generateContent(ctx, model, contents(r), config)
	if err != nil {
		return nil, state.failure(ctx, err)
	}
	if out.Candidates == nil && out.PromptFeedback == nil && hasError(trimmed(state.body)) {
		return nil, state.badResponse() // the SDK takes an error that comes with 200 for an empty answer
	}
	resp := response(out)
	resp.SentAt = state.sentAt()
	return resp, nil
}

var errSDKPanic = errors.New("gemini: the SDK could not read the answer")

// generateContent keeps the SDK's panics from spreading: its converters assert types on whatever JSON arrives, so that
// {"candidates":[null]} would end the process. The panic's value may quote the answer and is dropped.
func (c *Client) generateContent(ctx context.Context, model string, contents []*genai.Content,
	config *genai.GenerateContentConfig) (out *genai.GenerateContentResponse, err error) {
	defer func() {
		if recover() != nil {
			out, err = nil, errSDKPanic
		}
	}()
	return c.genai.Models.GenerateContent(ctx, model, contents, config)
}

func contents(r Request) []*genai.Content {
	var parts []*genai.Part
	for _, p := range r.Parts {
		if p.Text != "" {
			parts = append(parts, &genai.Part{Text: p.Text})
		}
		if len(p.Data) > 0 {
			parts = append(parts, &genai.Part{InlineData: &genai.Blob{Data: p.Data, MIMEType: p.MIMEType}})
		}
		if p.FileURI != "" {
			parts = append(parts, &genai.Part{FileData: &genai.FileData{FileURI: p.FileURI, MIMEType: p.MIMEType}})
		}
	}
	return []*genai.Content{{Role: genai.RoleUser, Parts: parts}}
}

func systemContent(r Request) *genai.Content {
	if r.System == "" {
		return nil
	}
	return &genai.Content{Role: genai.RoleUser, Parts: []*genai.Part{{Text: r.System}}}
}

// response reads the first candidate. The SDK's Text method isn't used: it logs about parts that aren't text.
func response(out *genai.GenerateContentResponse) *Response {
	resp := &Response{ModelVersion: strings.TrimPrefix(out.ModelVersion, "models/")}
	if f := out.PromptFeedback; f != nil {
		resp.BlockReason = string(f.BlockReason)
	}
	if u := out.UsageMetadata; u != nil {
		resp.PromptTokens = int64(u.PromptTokenCount)
		resp.OutputTokens = int64(u.CandidatesTokenCount) + int64(u.ThoughtsTokenCount)
		resp.TotalTokens = int64(u.TotalTokenCount)
	}
	if len(out.Candidates) == 0 || out.Candidates[0] == nil {
		return resp
	}
	first := out.Candidates[0]
	resp.FinishReason = string(first.FinishReason)
	if first.Content == nil {
		return resp
	}
	var text strings.Builder
	for _, p := range first.Content.Parts {
		if p != nil && !p.Thought {
			text.WriteString(p.Text)
		}
	}
	resp.Text = text.String()
	return resp
}

// CountTokens asks upstream for the input tokens of r: system instruction, text, media and files. It costs nothing and
// counts against no limit of the model. Every error is an [*Error].
func (c *Client) CountTokens(ctx context.Context, key string, r Request) (int64, error) {
	model, err := resourceName(r.Model)
	if err != nil {
		return 0, err
	}
	type inner struct {
		Model             string           `json:"model"`
		Contents          []*genai.Content `json:"contents"`
		SystemInstruction *genai.Content   `json:"systemInstruction,omitempty"`
	}
	body, err := json.Marshal(struct {
		Request inner `json:"generateContentRequest"`
	}{inner{Model: model, Contents: contents(r), SystemInstruction: systemContent(r)}})
	if err != nil {
		return 0, &Error{Class: ClassCaller, HTTPStatus: http.StatusBadRequest, Status: "INVALID_ARGUMENT",
			Reason: ReasonInvalidRequest, Message: "The request can't be encoded."}
	}
	answer, state, err := c.rest(ctx, key, http.MethodPost, model+":countTokens", nil, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	var count struct {
		TotalTokens int64 `json:"totalTokens"`
	}
	// Nothing that can be sent has no tokens; taking an answer without a count for zero would reserve nothing.
	if json.Unmarshal(answer, &count) != nil || count.TotalTokens <= 0 {
		return 0, state.badResponse()
	}
	return count.TotalTokens, nil
}

// maxModelPages bounds ListModels against an upstream that never stops paging. Google's list is one page of about 60.
const maxModelPages = 20

// ListModels returns the models that upstream lists for key; being listed doesn't mean that the project may use one.
// Every error is an [*Error].
func (c *Client) ListModels(ctx context.Context, key string) ([]Model, error) {
	var models []Model
	query := url.Values{"pageSize": {"1000"}}
	for range maxModelPages {
		body, state, err := c.rest(ctx, key, http.MethodGet, "models", query, nil)
		if err != nil {
			return nil, err
		}
		var page struct {
			Models []struct {
				Name            string   `json:"name"`
				Methods         []string `json:"supportedGenerationMethods"`
				InputTokenLimit int64    `json:"inputTokenLimit"`
			} `json:"models"`
			NextPageToken string `json:"nextPageToken"`
		}
		if json.Unmarshal(body, &page) != nil || hasError(body) {
			return nil, state.badResponse()
		}
		for _, m := range page.Models {
			models = append(models, Model{Name: strings.TrimPrefix(m.Name, "models/"), Methods: m.Methods,
				InputTokenLimit: m.InputTokenLimit})
		}
		if page.NextPageToken == "" {
			break
		}
		query.Set("pageToken", page.NextPageToken)
	}
	return models, nil
}
