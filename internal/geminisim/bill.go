package geminisim

import (
	"maps"
	"regexp"
	"strconv"
	"strings"
)

// A Bill is what the answers of a project's model cost, in tokens.
type Bill struct {
	Answers  int64
	Input    int64 // cached ones included
	Cached   int64
	Tools    int64
	Output   int64
	Thoughts int64
}

// A BillKey says whose bill it is. The model is the resolved one.
type BillKey struct {
	Project, Model string
	Batch          bool // of requests of batches, which cost less
}

// Bills returns what every answer that was made since the start cost, added up, and every turn
// of a session. An answer whose client has left by then was made all the same.
func (s *Server) Bills() map[BillKey]Bill {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.bills)
}

// bill puts an answer on the bill of the call's project and model.
func (c *call) bill(a *answer) {
	c.s.addBill(BillKey{Project: c.who.project, Model: c.model}, Bill{
		Answers: 1, Input: c.tokens, Cached: c.cached, Output: a.tokens, Thoughts: a.billed.ThoughtsTokenCount, Tools: a.billed.ToolUsePromptTokenCount,
	})
}

func (s *Server) addBill(k BillKey, more Bill) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bills == nil {
		s.bills = make(map[BillKey]Bill)
	}
	b := s.bills[k]
	s.bills[k] = Bill{
		b.Answers + more.Answers, b.Input + more.Input, b.Cached + more.Cached, b.Tools + more.Tools, b.Output + more.Output, b.Thoughts + more.Thoughts,
	}
}

// What a prompt says of how its answer comes about; the words are this server's own. A pattern
// that begins at the edge of a word makes package regexp look at every byte of a long prompt, so
// it is asked only where its first words are found.
var (
	thinkPattern = regexp.MustCompile(`\bthink ([0-9]{1,6}) tokens\b`)
	toolPattern  = regexp.MustCompile(`\btools read ([0-9]{1,6}) tokens\b`)
	cachePattern = regexp.MustCompile(`\bcache holds ([0-9]{1,6}) tokens\b`)
)

// thinkingOf returns what the answer to a prompt costs beside its text, and how many of the
// prompt's tokens a cache held that nobody made.
func thinkingOf(prompt string) (t thinking, cached int64) {
	for _, p := range []struct {
		begins  string
		pattern *regexp.Regexp
		n       *int64
	}{
		{"think ", thinkPattern, &t.ThoughtsTokenCount}, {"tools read ", toolPattern, &t.ToolUsePromptTokenCount},
		{"cache holds ", cachePattern, &cached},
	} {
		if !strings.Contains(prompt, p.begins) {
			continue
		}
		if found := p.pattern.FindStringSubmatch(prompt); found != nil {
			*p.n, _ = strconv.ParseInt(found[1], 10, 64) // at most six digits
		}
	}
	return t, cached
}
