package anthropicsim

import (
	"crypto/sha256"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/simserver"
)

// messageTokens is what each message has beside its text, and imageTokens what an image has:
// a guess, and what is documented of one of 1092×1092.
const (
	messageTokens = 3
	imageTokens   = 1590
)

// cacheTime is how long a cache lives after its last use (documented of those that don't ask
// for an hour).
const cacheTime = 5 * time.Minute

// minCached is how many tokens a cache has at least (documented of most models).
const minCached = 1024

// cacheID names what a project has cached for a model.
type cacheID struct {
	project, model string
	prefix         [sha256.Size]byte
}

// block is a part of a system prompt or message.
type block struct {
	Type    string          `json:"type"`
	Text    string          `json:"text"`
	Content json.RawMessage `json:"content"` // of a tool's result
	Input   json.RawMessage `json:"input"`   // of a tool's use
	Source  struct {
		FileID string `json:"file_id"`
	} `json:"source"` // of an image or document
	CacheControl *struct {
		Type string `json:"type"`
	} `json:"cache_control"`
}

// blocks reads what is a text or a list of blocks.
func blocks(raw json.RawMessage) (out []block, ok bool) {
	var text string
	if len(raw) == 0 {
		return nil, true
	}
	if json.Unmarshal(raw, &text) == nil {
		return []block{{Type: "text", Text: text}}, true
	}
	return out, json.Unmarshal(raw, &out) == nil
}

// prompt is what a request says.
type prompt struct {
	count     int64  // tokens
	cacheable int64  // of them, those before the last breakpoint
	text      []byte // all of it, for the caches
	prefix    [sha256.Size]byte
	last      string // the last user's text
	functions []string
	files     []string // that it mentions
}

func (p *prompt) add(role string, list []block) {
	p.count += messageTokens
	for _, b := range list {
		if b.Source.FileID != "" {
			p.files = append(p.files, b.Source.FileID)
		}
		switch b.Type {
		case "text":
			p.count += simserver.Tokens(b.Text)
			if role == "user" {
				p.last = b.Text
			}
		case "image":
			p.count += imageTokens
		default:
			p.count += simserver.Tokens(string(b.Content)) + simserver.Tokens(string(b.Input))
		}
		p.text = append(append(append(append(p.text, role...), 0), b.Text...), 0)
		if b.CacheControl != nil {
			p.cacheable, p.prefix = p.count, sha256.Sum256(p.text)
		}
	}
}

// usage is what a prompt costs. input is what was neither read from a cache nor written to one.
type usage struct{ input, created, read int64 }

// cached looks the prompt up among the project's caches. keep writes it to one, or has the one
// that was read live on.
func (s *Server) cached(p *prompt, project, model string, now time.Time) (u usage, keep func()) {
	u.input = p.count
	if p.cacheable < minCached {
		return u, func() {}
	}
	id := cacheID{project, model, p.prefix}
	u.input -= p.cacheable
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.caches[id]; ok && now.Sub(at) < cacheTime {
		u.read = p.cacheable
	} else {
		u.created = p.cacheable
	}
	return u, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.caches[id] = now
	}
}

// answer is what is answered.
type answer struct {
	text     string
	function string // called instead
	stop     string
}

// orders are what a prompt can order of its answer.
var orders = regexp.MustCompile(`write (\d+) tokens|call (\w+)`)

// answer answers "Answer to: " and the last user's text, at most so many tokens. A prompt can
// order otherwise: "write 500 tokens", and "call NAME" of a tool that is declared.
func (p *prompt) answer(most int64) answer {
	a := answer{text: "Answer to: " + p.last, stop: "end_turn"}
	if m := orders.FindStringSubmatch(p.last); m != nil {
		n, _ := strconv.ParseInt(m[1], 10, 64)
		if n > 0 {
			a.text = strings.Repeat("wrd ", int(min(n, 1<<20)))
		}
		for _, f := range p.functions {
			if f == m[2] {
				a.text, a.function, a.stop = "", f, "tool_use"
			}
		}
	}
	if simserver.Tokens(a.text) > most {
		a.text, a.stop = a.text[:most*simserver.BytesPerToken], "max_tokens"
	}
	return a
}

// tokens is what the answer costs.
func (a answer) tokens() int64 {
	if a.function != "" {
		return simserver.Tokens(a.function) + 1
	}
	return simserver.Tokens(a.text)
}
