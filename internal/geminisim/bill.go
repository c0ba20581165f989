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
type BillKey struct{ Project, Model string }

// Bills returns what every answer that was made since the start cost, added up. An
// answer whose client has left by then was made all the same.
func (s *Server) Bills() map[BillKey]Bill {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.bills)
}

// bill puts an answer on the bill of the call's project and model.
func (c *call) bill(a *answer) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	k := BillKey{c.who.project, c.model}
	b := c.s.bills[k]
	b.Answers++
	b.Input += c.tokens
	b.Cached += c.cached
	b.Output += a.tokens
	b.Thoughts += a.billed.ThoughtsTokenCount
	b.Tools += a.billed.ToolUsePromptTokenCount
	if c.s.bills == nil {
		c.s.bills = make(map[BillKey]Bill)
	}
	c.s.bills[k] = b
}

// What a prompt says of how its answer comes about; the words are this server's own. A pattern
// that begins at the edge of a word makes package regexp look at every byte of a long prompt, so
// it is asked only where its first words are found.
var (
	thinkPattern = regexp.MustCompile(`\bthink ([0-9]{1,6}) tokens\b`)
	toolPattern  = regexp.MustCompile(`\btools read ([0-9]{1,6}) tokens\b`)
)

// thinkingOf returns what the answer to a prompt costs beside its text.
func thinkingOf(prompt string) (t thinking) {
	for _, p := range []struct {
		begins  string
		pattern *regexp.Regexp
		n       *int64
	}{{"think ", thinkPattern, &t.ThoughtsTokenCount}, {"tools read ", toolPattern, &t.ToolUsePromptTokenCount}} {
		if !strings.Contains(prompt, p.begins) {
			continue
		}
		if found := p.pattern.FindStringSubmatch(prompt); found != nil {
			*p.n, _ = strconv.ParseInt(found[1], 10, 64) // at most six digits
		}
	}
	return t
}
