package geminisim

import (
	"log/slog"
	"slices"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
)

// enter puts the request in the log, with what is known by now.
func (c *call) enter() {
	if !c.s.journal.Keeps() {
		return
	}
	c.seen = &journal.Request{
		At:      c.Arrived.Round(0).UTC(),
		Method:  c.R.Method,
		Path:    c.R.URL.Path,
		Headers: names(c.R.Header),
		Project: c.Project,
	}
	if c.R.URL.RawQuery != "" {
		c.seen.Query = names(c.R.URL.Query())
	}
	for _, p := range c.credentials {
		c.seen.Credentials = append(c.seen.Credentials, p.Credential)
	}
	if len(c.credentials) == 1 {
		c.seen.Key = c.credentials[0].Fingerprint
	}
	c.s.journal.Enter(c.seen)
}

func names(values map[string][]string) []string {
	list := make([]string, 0, len(values))
	for name := range values {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// finish notes how the request ended. An answer that was sent to its end can't
// have been cancelled, although its client may be gone by now.
func (c *call) finish() {
	c.s.journal.Finish(c.seen, c.Status, c.HungUp || !c.Answered && c.R.Context().Err() != nil)
}

// entry describes the call in the log.
func (c *call) entry(code int, reason string) journal.Entry {
	return journal.Entry{At: c.Arrived.Round(0).UTC(), Project: c.Project, Model: c.Model, Key: c.key,
		Tokens: c.Tokens, Status: code, Reason: reason}
}

// bill puts an answer on the bill of the call's project and model.
func (c *call) bill(a *answers.Answer) {
	c.s.journal.AddBill(journal.BillKey{Project: c.Project, Model: c.Model}, a.Bill(c.Tokens, c.Cached))
}

func (c *call) logRequest(code int, reason string) {
	c.s.logger.LogAttrs(c.R.Context(), slog.LevelDebug, "request",
		slog.String("path", c.R.URL.Path), slog.Int("status", code), slog.String("reason", reason),
		slog.String("project", c.Project), slog.String("key", c.key),
		slog.String("model", c.Model), slog.Int64("tokens", c.Tokens))
}
