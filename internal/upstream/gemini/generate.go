package gemini

import (
	"context"
	"net/http"
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
	reply.SentAt, reply.Limits = answer.sentAt, answer.limits
	return &reply.Reply, nil
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
