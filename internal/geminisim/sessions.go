package geminisim

import (
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/geminisim/live"
	"fluxgate.dev/fluxgate/internal/geminisim/tokeniser"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// liveConfig is what the Live API knows of the rest of the server.
func (s *Server) liveConfig() live.Config {
	return live.Config{
		Now: s.now,
		Project: func(key string) (project, refusal string) {
			who, refused := s.keys.Admit(key, "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent")
			if refused != nil {
				return "", refused.Message
			}
			return who.Project, ""
		},
		Model: func(name string) bool {
			m := s.models.Find(name)
			return m != nil && m.Supports("bidiGenerateContent")
		},
		Answer: answers.Translate, Count: tokeniser.Count,
		Order: func(text string) *live.Order {
			p := answers.PlanOf(text)
			if p == nil {
				return nil
			}
			return &live.Order{Messages: p.Chunks, Every: p.Interval, Text: func(n int64, at time.Time) string { return p.Text(n, at) }}
		},
		Beside: func(prompt string) live.Usage {
			t, cached := answers.Beside(prompt)
			return live.Usage{Thoughts: t.ThoughtsTokenCount, Tools: t.ToolUsePromptTokenCount, Cached: cached}
		},
		Bill: func(project, model string, u live.Usage) {
			s.journal.AddBill(journal.BillKey{Project: project, Model: model}, journal.Bill{Answers: 1, Input: u.Prompt, Cached: u.Cached, Tools: u.Tools, Output: u.Response, Thoughts: u.Thoughts})
		},
	}
}

// createToken serves POST v1alpha/auth_tokens.
func (c *call) createToken() *wire.Error {
	answer, invalid := c.s.live.CreateToken(c.Project, c.Body)
	if invalid != "" {
		return wire.InvalidArgument(invalid)
	}
	c.WriteJSON(http.StatusOK, answer)
	return nil
}
