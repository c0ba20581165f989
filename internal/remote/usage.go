package remote

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Usage is the answer of GET /usage: what was used in a window.
type Usage struct {
	Window string     `json:"window"`
	From   time.Time  `json:"from"`
	To     time.Time  `json:"to"`
	Rows   []UsageRow `json:"rows"`
	Total  UsageRow   `json:"total"`
	// Budgets are how the asking caller's own stand.
	Budgets []Budget `json:"budgets"`
}

// A Budget is what a caller may use of one kind in a day or month, and what is left of it.
type Budget struct {
	Name   string    `json:"name"` // tokens_per_day, tokens_per_month, dollars_per_day, dollars_per_month
	Limit  float64   `json:"limit"`
	Left   float64   `json:"left"`
	Resets time.Time `json:"resets_at"`
}

// A UsageRow is what was used of one kind; what isn't told apart is empty.
type UsageRow struct {
	Day     string `json:"day"` // Pacific date
	Project string `json:"project"`
	Model   string `json:"model"`
	Caller  string `json:"caller"`

	Requests  int64   `json:"requests"` // that were answered
	Refused   int64   `json:"refused"`
	Failed    int64   `json:"failed"`
	Input     int64   `json:"input_tokens"`
	Output    int64   `json:"output_tokens"`
	Thoughts  int64   `json:"thought_tokens"`
	Cached    int64   `json:"cached_tokens"`
	Unmetered int64   `json:"unmetered"` // answers that said nothing of their tokens
	Dollars   float64 `json:"dollars"`   // at list price
	Unpriced  int64   `json:"unpriced"`  // answers whose price isn't known
	WaitP95   float64 `json:"wait_p95"`  // seconds
	TookP95   float64 `json:"answer_p95"`
}

// Usage asks what was used in a window (1h, 24h or 30d), by what (day, project, model, caller).
func (c *Client) Usage(ctx context.Context, window string, by []string) (Answer[Usage], error) {
	return ask(ctx, c, http.MethodGet, usagePath(window, by), nil, func(u *Usage) bool { return !u.To.IsZero() })
}

func usagePath(window string, by []string) string {
	return "/usage?" + url.Values{"window": {window}, "by": {strings.Join(by, ",")}}.Encode()
}
