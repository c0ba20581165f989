package gemini

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"fluxgate.dev/fluxgate/internal/upstream"
)

// maxModelPages bounds ListModels against an upstream that never stops paging. Google's list is one page of about 60.
const maxModelPages = 20

// ListModels implements upstream.Provider.
func (c *Client) ListModels(ctx context.Context, key string) ([]upstream.Model, error) {
	var models []upstream.Model
	query := url.Values{"pageSize": {"1000"}}
	for range maxModelPages {
		answer, err := c.rest(ctx, key, http.MethodGet, "models", query, nil)
		if err != nil {
			return nil, err
		}
		var page struct {
			Models []struct {
				Name            string   `json:"name"`
				Methods         []string `json:"supportedGenerationMethods"`
				InputTokenLimit int64    `json:"inputTokenLimit"`
				DisplayName     string   `json:"displayName"`
				Description     string   `json:"description"`
				Thinking        bool     `json:"thinking"`
				// Answers have it (documented); that a list may is a guess, which costs nothing.
				Status upstream.ModelStatus `json:"modelStatus"`
			} `json:"models"`
			NextPageToken string `json:"nextPageToken"`
		}
		if json.Unmarshal(answer.body, &page) != nil || hasError(answer.body) {
			return nil, answer.unusable()
		}
		for _, m := range page.Models {
			models = append(models, upstream.Model{Name: strings.TrimPrefix(m.Name, "models/"), Methods: m.Methods,
				InputTokenLimit: m.InputTokenLimit, DisplayName: m.DisplayName, Description: m.Description, Thinking: m.Thinking,
				Retires: m.Status.Retires()})
		}
		if page.NextPageToken == "" {
			break
		}
		query.Set("pageToken", page.NextPageToken)
	}
	return models, nil
}
