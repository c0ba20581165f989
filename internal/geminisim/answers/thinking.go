package answers

import (
	"regexp"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// What a prompt says of how its answer comes about; the words are this server's own. A pattern
// that begins at the edge of a word makes package regexp look at every byte of a long prompt, so
// it is asked only where its first words are found.
var (
	thinkPattern = regexp.MustCompile(`\bthink ([0-9]{1,6}) tokens\b`)
	toolPattern  = regexp.MustCompile(`\btools read ([0-9]{1,6}) tokens\b`)
	cachePattern = regexp.MustCompile(`\bcache holds ([0-9]{1,6}) tokens\b`)
)

// Beside returns what the answer to a prompt costs beside its text, and how many of the
// prompt's tokens a cache held that nobody made.
func Beside(prompt string) (t wire.Thinking, cached int64) {
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
