package gemini

import (
	"context"
	"encoding/json"
	"net/http"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// CountPrompt implements upstream.Provider. Nothing that can be sent has no tokens.
func (c *Client) CountPrompt(ctx context.Context, key string, p upstream.Prompt) (int64, error) {
	model, err := resourceName(p.Model)
	if err != nil {
		return 0, err
	}
	b := new(payload.Rope)
	b.AddString(`{"generateContentRequest":`)
	if err := addContents(b, p); err != nil {
		return 0, unencodable(err)
	}
	b.AddString(`,"model":"` + model + `"}}`)
	return c.countTokens(ctx, key, model, b)
}

// CountBody implements upstream.Provider, for bodies of generateContent: all of it
// is counted, with its system instruction and tools. Embeddings and other bodies
// that countTokens doesn't take are uncountable.
func (c *Client) CountBody(ctx context.Context, key, model string, body *payload.Body) (int64, error) {
	model, err := resourceName(model)
	if err != nil {
		return 0, err
	}
	b := new(payload.Rope)
	b.AddString(`{"generateContentRequest":{"model":"` + model + `"`)
	if !b.AddMembers(body.JSON) {
		return 0, upstream.ErrUncountable
	}
	b.AddString("}}")
	return c.countTokens(ctx, key, model, b)
}

// countTokens sends a body of countTokens for a model that has been checked.
func (c *Client) countTokens(ctx context.Context, key, model string, body *payload.Rope) (int64, error) {
	answer, err := c.rest(ctx, key, http.MethodPost, model+":countTokens", nil, body)
	if err != nil {
		return 0, err
	}
	var count struct {
		TotalTokens int64 `json:"totalTokens"`
	}
	// Taking an answer without a count for zero would reserve nothing.
	if json.Unmarshal(answer.body, &count) != nil || count.TotalTokens <= 0 {
		return 0, answer.unusable()
	}
	return count.TotalTokens, nil
}
