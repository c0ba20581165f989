package upstream

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

const redacted = "[redacted]"

// minSecret is the shortest key, in bytes, that is searched for literally. Shorter strings are no keys, and replacing
// them would garble ordinary text.
const minSecret = 4

// Keys other than the one in use can appear too: an upstream message may name the key's sibling, or what the caller put
// into its own request. These patterns catch what looks like a key; they are a second net, never the first.
var keyPatterns = []struct {
	re  *regexp.Regexp
	put string
}{
	{regexp.MustCompile(`AIza[0-9A-Za-z_-]{20,}`), redacted},
	{regexp.MustCompile(`\bAQ\.[0-9A-Za-z_-]{8,}`), redacted},
	{regexp.MustCompile(`\b(?:sk|gsk)[-_][0-9A-Za-z_-]{16,}`), redacted}, // OpenAI's, Anthropic's and those of others
	{regexp.MustCompile(`\bya29\.[0-9A-Za-z._-]{8,}`), redacted},         // an OAuth token
	{regexp.MustCompile(`(?i)(\bBearer )[0-9A-Za-z._~+/-]{20,}=*`), "${1}" + redacted},
	{regexp.MustCompile(`(?i)\b(api_key:)[^\s'",;()\[\]{}]+`), "${1}" + redacted},
	{regexp.MustCompile(`(?i)([?&](?:api_)?key=)[^\s&'",;()\[\]{}]+`), "${1}" + redacted},
}

// A Redactor removes one key, in the forms in which it can come back, and whatever looks like a key.
type Redactor struct {
	forms []string
}

// NewRedactor returns one for a key; "" is none.
func NewRedactor(key string) Redactor {
	if len(key) < minSecret {
		return Redactor{}
	}
	r := Redactor{forms: []string{key}}
	add := func(form string) {
		if form != "" && form != key {
			r.forms = append(r.forms, form)
		}
	}
	add(url.QueryEscape(key))
	add(url.PathEscape(key))
	if quoted, err := json.Marshal(key); err == nil {
		add(string(quoted[1 : len(quoted)-1]))
	}
	return r
}

// Holds reports whether s has the key in it, in any form.
func (r Redactor) Holds(s string) bool {
	for _, form := range r.forms {
		if strings.Contains(s, form) {
			return true
		}
	}
	return false
}

// Text returns s without keys. Should the replacement itself join with its surroundings into the key, nothing of s is
// kept.
func (r Redactor) Text(s string) string {
	for _, form := range r.forms {
		s = strings.ReplaceAll(s, form, redacted)
	}
	for _, p := range keyPatterns {
		s = p.re.ReplaceAllString(s, p.put)
	}
	if !r.Holds(s) {
		return s
	}
	if r.Holds(redacted) {
		return ""
	}
	return redacted
}

// JSON returns the valid JSON text raw with every string in it redacted, and the rest byte for byte as it was. Strings
// are decoded first, so that a key can't hide behind \u escapes. It returns nil if a key remains outside a string.
func (r Redactor) JSON(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		start := bytes.IndexByte(raw, '"')
		if start < 0 {
			break
		}
		end := literalEnd(raw, start)
		out = append(out, raw[:start]...)
		out = append(out, r.literal(raw[start:end])...)
		raw = raw[end:]
	}
	out = append(out, raw...)
	if r.Holds(string(out)) {
		return nil
	}
	return out
}

// literalEnd returns the index after the closing quote of the JSON string that opens at start.
func literalEnd(raw []byte, start int) int {
	for i := start + 1; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}

func (r Redactor) literal(lit []byte) []byte {
	var s string
	if json.Unmarshal(lit, &s) != nil {
		return []byte(`""`)
	}
	clean := r.Text(s)
	if clean == s {
		return lit
	}
	// A plain Marshal would escape < and > and make the text longer than it was; harmless, so it is good enough.
	quoted, err := json.Marshal(clean)
	if err != nil {
		return []byte(`""`)
	}
	return quoted
}
