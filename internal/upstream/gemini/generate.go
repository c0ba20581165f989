package gemini

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// Generate implements upstream.Provider.
func (c *Client) Generate(ctx context.Context, key string, p upstream.Prompt) (*upstream.Reply, error) {
	model, err := resourceName(p.Model)
	if err != nil {
		return nil, err
	}
	body, err := wireBody(p)
	if err != nil {
		return nil, unencodable(err)
	}
	answer, err := c.rest(ctx, key, http.MethodPost, model+":generateContent", nil, body)
	if err != nil {
		return nil, err
	}
	reply, ok := readReply(answer.body)
	switch {
	case !ok && len(trimmed(answer.body)) > 0:
		return nil, answer.unusable()
	case !ok || reply.silent:
		if !answer.whole || answers.Produced(answer.body) {
			return nil, answer.unusable()
		}
		e := upstream.NoAnswer()
		e.SentAt = answer.sentAt
		return nil, e
	}
	reply.SentAt = answer.sentAt
	return &reply.Reply, nil
}

// generated is an answer as it was read.
type generated struct {
	upstream.Reply
	silent bool // it has no candidate, and no reason for that
}

// wireReply is what is read of an answer. The counts are as wide as Gemini's own.
type wireReply struct {
	Candidates []*struct {
		Content *struct {
			Parts []struct {
				Text    string `json:"text"`
				Thought bool   `json:"thought"`
			} `json:"parts"`
		} `json:"content"`
		FinishReason string `json:"finishReason"`
	} `json:"candidates"`
	PromptFeedback *struct {
		BlockReason string `json:"blockReason"`
	} `json:"promptFeedback"`
	UsageMetadata struct {
		PromptTokenCount     count `json:"promptTokenCount"`
		CandidatesTokenCount count `json:"candidatesTokenCount"`
		ThoughtsTokenCount   count `json:"thoughtsTokenCount"`
		CachedTokenCount     count `json:"cachedContentTokenCount"`
		ToolTokenCount       count `json:"toolUsePromptTokenCount"`
		TotalTokenCount      count `json:"totalTokenCount"`
	} `json:"usageMetadata"`
	ModelVersion string `json:"modelVersion"`
}

// count is a whole number of 32 bits, in any notation that JSON has for it.
type count int32

// UnmarshalJSON implements json.Unmarshaler.
func (c *count) UnmarshalJSON(text []byte) error {
	if n, err := strconv.ParseInt(string(text), 10, 32); err == nil && n > math.MinInt32 {
		*c = count(n) // as all of them are
		return nil
	}
	var n float64
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	if n != math.Trunc(n) || math.Abs(n) > math.MaxInt32 {
		return errCount
	}
	*c = count(n)
	return nil
}

var errCount = errors.New("gemini: count is no whole number of 32 bits")

// readReply reads an answer, of which the first candidate counts. It reports false
// for what is none.
func readReply(body []byte) (*generated, bool) {
	var in wireReply
	if json.Unmarshal(body, &in) != nil || !bytes.HasPrefix(trimmed(body), []byte("{")) {
		return nil, false
	}
	if in.Candidates == nil && in.PromptFeedback == nil && hasError(trimmed(body)) {
		return nil, false // an error that comes with 200
	}
	out := &generated{Reply: upstream.Reply{
		ModelVersion: strings.TrimPrefix(in.ModelVersion, "models/"),
		PromptTokens: int64(in.UsageMetadata.PromptTokenCount),
		TotalTokens:  int64(in.UsageMetadata.TotalTokenCount),
		Tokens: answers.Tokens{
			Output: int64(in.UsageMetadata.CandidatesTokenCount), Thoughts: int64(in.UsageMetadata.ThoughtsTokenCount),
			Cached: int64(in.UsageMetadata.CachedTokenCount), Tools: int64(in.UsageMetadata.ToolTokenCount),
		},
	}}
	if in.PromptFeedback != nil {
		out.BlockReason = in.PromptFeedback.BlockReason
	}
	if len(in.Candidates) == 0 {
		out.silent = out.BlockReason == ""
		return out, true
	}
	first := in.Candidates[0]
	if first == nil {
		return nil, false
	}
	out.FinishReason = first.FinishReason
	if first.Content == nil {
		out.silent = out.BlockReason == "" && out.FinishReason == ""
		return out, true
	}
	var text strings.Builder
	for _, p := range first.Content.Parts {
		if !p.Thought {
			text.WriteString(p.Text)
		}
	}
	out.Text = text.String()
	return out, true
}

// Reserves implements upstream.Provider.
func (c *Client) Reserves(a upstream.Asked) int64 { return a.Input }

// Weighs implements upstream.Provider: all of the prompt counts, cached tokens too, and nothing
// of the answer.
func (c *Client) Weighs(_ upstream.Asked, prompt int64, _ answers.Tokens, _ int64) int64 {
	return prompt
}

// Meter implements upstream.Provider.
func (c *Client) Meter(path string) *answers.Meter {
	if strings.HasPrefix(path, openAIPath) {
		return answers.OpenAIUsage
	}
	if strings.HasSuffix(path, "/interactions") {
		return answers.InteractionUsage
	}
	return answers.GeminiUsage
}
