package geminisim

import (
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/live"
)

// liveConfig is what the Live API knows of the rest of the server.
func (s *Server) liveConfig() live.Config {
	return live.Config{
		Now: s.now,
		Project: func(key string) (project, refusal string) {
			who, known := s.lookup(key)
			if !known {
				return "", errKeyState(KeyInvalid, "", "", "").message
			}
			if e := errKeyState(who.state, key, who.project, "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"); e != nil {
				return "", e.message
			}
			return who.project, ""
		},
		Model: func(name string) bool {
			m := s.model(name)
			return m != nil && m.supports("bidiGenerateContent")
		},
		Answer: Translate, Count: CountTokens,
		Order: func(text string) *live.Order {
			p := planStream(text)
			if p == nil {
				return nil
			}
			return &live.Order{Messages: p.chunks, Every: p.interval, Text: func(n int64, at time.Time) string { return p.text(n, at) }}
		},
		Beside: func(prompt string) live.Usage {
			t, cached := thinkingOf(prompt)
			return live.Usage{Thoughts: t.ThoughtsTokenCount, Tools: t.ToolUsePromptTokenCount, Cached: cached}
		},
		Bill: func(project, model string, u live.Usage) {
			s.addBill(BillKey{Project: project, Model: model}, Bill{Answers: 1, Input: u.Prompt, Cached: u.Cached, Tools: u.Tools, Output: u.Response, Thoughts: u.Thoughts})
		},
	}
}

// createToken serves POST v1alpha/auth_tokens.
func (c *call) createToken() *apiError {
	answer, invalid := c.s.live.CreateToken(c.who.project, c.body)
	if invalid != "" {
		return invalidArgument(invalid)
	}
	c.writeJSON(http.StatusOK, answer)
	return nil
}
