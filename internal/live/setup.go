package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload"
)

// A setup is the first message of a session.
type setup struct {
	text  []byte
	body  *payload.Body
	model string // without "models/"; "": it names none
	// from and to are where the value of its model stands; both 0: nowhere.
	from, to int
	handle   string // of a session that is to go on; "": none
}

// errSetup means that a first message is no setup, or none of which it is certain what is
// read upstream.
var errSetup = errors.New("not a setup")

// invalid is what Gemini says of a message that is none (captured).
const invalid = "Request contains an invalid argument."

// readSetup reads a first message. It is to be JSON of the standard, in which it is certain
// what is read upstream: one setup, that names one model and one handle at most.
func readSetup(text []byte, room func(bytes int64) error) (*setup, error) {
	body, err := payload.Read(text, room)
	if err != nil {
		return nil, err
	}
	if len(body.JSON) == 0 || &body.JSON[0] != &text[0] {
		return nil, errSetup
	}
	s := &setup{text: text, body: body}
	setups := 0
	err = members(text, 0, func(name string, from, to int) error {
		if payload.Plain(name) != "setup" {
			return nil
		}
		if setups++; setups > 1 {
			return errSetup
		}
		return members(text[from:to], from, s.member)
	})
	switch {
	case err != nil:
		return nil, errSetup
	case setups == 0:
		return nil, errSetup
	}
	return s, nil
}

// member reads one member of a setup, whatever its case and its underscores, as protobuf's
// parsers have taken names: else a handle might be read upstream that is another caller's.
func (s *setup) member(name string, from, to int) error {
	value := s.text[from:to]
	switch payload.Plain(name) {
	case "model":
		var model string
		if s.to > 0 || json.Unmarshal(value, &model) != nil {
			return errSetup
		}
		s.model, s.from, s.to = strings.TrimPrefix(model, "models/"), from, to
	case "sessionresumption":
		handles := 0
		return members(value, from, func(name string, from, to int) error {
			if payload.Plain(name) != "handle" {
				return nil
			}
			var handle *string
			if handles++; handles > 1 || s.handle != "" || json.Unmarshal(s.text[from:to], &handle) != nil {
				return errSetup
			}
			if handle != nil {
				s.handle = *handle
			}
			return nil
		})
	}
	return nil
}

// named returns the setup for a model: as it came where it names that already, or none is to
// be named.
func (s *setup) named(model string) *payload.Rope {
	out := new(payload.Rope)
	switch {
	case model == "" || model == s.model:
		out.Add(s.text)
	case s.to > 0:
		out.Add(s.text[:s.from])
		out.AddString(`"models/` + model + `"`)
		out.Add(s.text[s.to:])
	}
	return out
}

// members calls do with each member of an object in valid JSON that is one, and where its
// value stands; of null with none.
func members(text []byte, offset int, do func(name string, from, to int) error) error {
	d := json.NewDecoder(bytes.NewReader(text))
	first, err := d.Token()
	switch {
	case err != nil:
		return err
	case first == nil:
		return nil
	case first != json.Delim('{'):
		return errSetup
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		end := int(d.InputOffset())
		if err := do(name.(string), offset+end-len(value), offset+end); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF && offset == 0 {
		return errSetup
	}
	return nil
}

// setsUp reports whether a message that isn't the first may be another setup.
func setsUp(text []byte) bool {
	if !spellsSetup(text) && !bytes.Contains(text, []byte(`\u`)) {
		return false
	}
	found := false
	err := members(text, 0, func(name string, _, _ int) error {
		found = found || payload.Plain(name) == "setup"
		return nil
	})
	return found || err != nil
}

// spellsSetup reports whether a text has "setup" in it, whatever its case and underscores.
func spellsSetup(text []byte) bool {
	const word = "setup"
	at := 0
	for _, c := range text {
		switch c |= 0x20; {
		case c == '_'|0x20:
		case c == word[at]:
			if at++; at == len(word) {
				return true
			}
		case c == word[0]:
			at = 1
		default:
			at = 0
		}
	}
	return false
}
