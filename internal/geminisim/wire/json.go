package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/url"
	"strconv"
	"strings"
)

// StandardJSON checks the type of a body, and returns it in JSON of the standard.
func StandardJSON(contentType string, body []byte) ([]byte, *Error) {
	if len(body) == 0 {
		return body, nil
	}
	switch kind, _, _ := mime.ParseMediaType(contentType); kind {
	case "application/x-www-form-urlencoded":
		return nil, errForm(body)
	case "application/x-protobuf":
		return nil, InvalidArgument("Request payload is not a valid binary message.")
	}
	if json.Valid(body) {
		return body, nil
	}
	p := &googleJSON{in: string(body)}
	return p.standard()
}

// errForm is the refusal of a body that is taken for a form: the name of its first
// field is no parameter. A body of JSON is all of it a name as a rule.
func errForm(body []byte) *Error {
	pair, _, _ := bytes.Cut(body, []byte("&"))
	name, _, _ := strings.Cut(string(pair), "=")
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	text := fmt.Sprintf("Invalid JSON payload received. Unknown name %s: Cannot bind query parameter. Field '%s' could not be found in request message.",
		strconv.Quote(name), name)
	e := InvalidArgument(text)
	e.Details = []Detail{{"@type": TypePrefix + "BadRequest", "fieldViolations": []map[string]string{{"description": text}}}}
	return e
}

// googleJSON reads what Google takes for JSON, as json_stream_parser.cc of protobuf 3
// has it, and writes it as the standard has it.
type googleJSON struct {
	in  string
	at  int
	out bytes.Buffer
}

// maxNesting is the parser's own.
const maxNesting = 100

func (p *googleJSON) standard() ([]byte, *Error) {
	message := p.value(0)
	if p.skip(); message == "" && p.at < len(p.in) {
		message = "Parsing terminated before end of input."
	}
	if message == "" {
		return p.out.Bytes(), nil
	}
	from, to := max(0, p.at-20), min(len(p.in), p.at+20)
	return nil, InvalidArgument(fmt.Sprintf("Invalid JSON payload received. %s\n%s\n%s^",
		message, p.in[from:to], strings.Repeat(" ", p.at-from)))
}

func (p *googleJSON) skip() {
	rest := strings.TrimLeft(p.in[p.at:], " \t\n\v\f\r")
	p.at = len(p.in) - len(rest)
}

// starts reports whether the next character is one of those, after white space.
func (p *googleJSON) starts(set string) bool {
	p.skip()
	return p.at < len(p.in) && strings.IndexByte(set, p.in[p.at]) >= 0
}

func (p *googleJSON) value(depth int) (message string) {
	switch {
	case depth > maxNesting:
		return "Message too deep. Max recursion depth reached for key ''"
	case p.starts("{"):
		return p.list('}', "Expected , or } after key:value pair.", func() string { return p.entry(depth) })
	case p.starts("["):
		return p.list(']', "Expected , or ] after array value.", func() string { return p.value(depth + 1) })
	case p.starts(`"'`):
		return p.text()
	case p.starts("-0123456789"):
		return p.number()
	case p.starts(",}"): // nothing stands for null
		p.out.WriteString("null")
		return ""
	}
	for _, word := range []string{"true", "false", "null"} {
		if strings.HasPrefix(p.in[p.at:], word) {
			p.at += len(word)
			p.out.WriteString(word)
			return ""
		}
	}
	if p.at == len(p.in) {
		return "Unexpected end of string. Expected a value."
	}
	return "Expected a value."
}

// list reads what stands between brackets, in which the last comma may be idle.
func (p *googleJSON) list(end byte, otherwise string, element func() string) string {
	p.out.WriteByte(p.in[p.at])
	p.at++
	for n := 0; !p.starts(string(end)); n++ {
		if n > 0 {
			p.out.WriteByte(',')
		}
		if message := element(); message != "" {
			return message
		}
		if p.starts(",") {
			p.at++
		} else if !p.starts(string(end)) {
			return otherwise
		}
	}
	p.at++
	p.out.WriteByte(end)
	return ""
}

func (p *googleJSON) entry(depth int) string {
	const otherwise = "Expected an object key or }."
	switch {
	case p.starts(`"'`):
		if message := p.text(); message != "" {
			return message
		}
	case p.starts("_$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"):
		from := p.at
		for p.at < len(p.in) && !strings.ContainsRune(" \t\n\v\f\r\"'{}[]:,", rune(p.in[p.at])) {
			p.at++
		}
		p.write(p.in[from:p.at])
	default:
		return otherwise
	}
	if !p.starts(":") {
		return "Expected : between key:value pair."
	}
	p.at++
	p.out.WriteByte(':')
	return p.value(depth + 1)
}

func (p *googleJSON) number() string {
	from := p.at
	for p.at < len(p.in) && strings.IndexByte("0123456789.eE+-x", p.in[p.at]) >= 0 {
		p.at++
	}
	if !json.Valid([]byte(p.in[from:p.at])) {
		return "Unable to parse number."
	}
	p.out.WriteString(p.in[from:p.at])
	return ""
}

func (p *googleJSON) text() string {
	quote := p.in[p.at]
	var s strings.Builder
	for p.at++; p.at < len(p.in); p.at++ {
		switch c := p.in[p.at]; {
		case c == quote:
			p.at++
			p.write(s.String())
			return ""
		case c != '\\':
			s.WriteByte(c)
		default:
			if p.at++; p.at == len(p.in) {
				return "Closing quote expected in string."
			}
			if at := strings.IndexByte("bfnrtv", p.in[p.at]); at >= 0 {
				s.WriteByte("\b\f\n\r\t\v"[at])
				continue
			}
			if p.in[p.at] != 'u' {
				s.WriteByte(p.in[p.at])
				continue
			}
			digits := p.in[p.at+1 : min(len(p.in), p.at+5)]
			code, err := strconv.ParseUint(digits, 16, 16)
			if err != nil || len(digits) < 4 {
				return "Invalid escape sequence."
			}
			s.WriteRune(rune(code))
			p.at += 4
		}
	}
	return "Closing quote expected in string."
}

func (p *googleJSON) write(s string) {
	text, err := json.Marshal(s)
	if err != nil {
		panic("wire: a string can't be encoded: " + err.Error()) // there is none such
	}
	p.out.Write(text)
}
