package live

import (
	"encoding/json"
	"errors"
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
	at, err := s.find(text, "setup")
	if err != nil || at == 0 {
		return nil, errSetup
	}
	if s.to > 0 {
		s.from, s.to = s.from+at, s.to+at
	}
	return s, nil
}

// find reads the setup that is a member of an object, of which there is to be one at most. It
// returns where it stands, 0: nowhere.
func (s *setup) find(object []byte, word string) (at int, err error) {
	err = members(object, func(name []byte, from, to int) error {
		if !payload.Spells(name, word) {
			return nil
		}
		if at > 0 {
			return errSetup
		}
		at = from
		return s.read(object[from:to])
	})
	return at, err
}

// read reads a setup's members, however they are spelt: else a handle might be read upstream
// that is another caller's. Where it notes that the model stands is within the object.
func (s *setup) read(object []byte) error {
	return members(object, func(name []byte, from, to int) error {
		value := object[from:to]
		switch {
		case payload.Spells(name, "model"):
			var model string
			if s.to > 0 || json.Unmarshal(value, &model) != nil {
				return errSetup
			}
			s.model, s.from, s.to = strings.TrimPrefix(model, "models/"), from, to
		case payload.Spells(name, "sessionresumption"):
			return s.resume(value)
		}
		return nil
	})
}

// resume reads what a setup says of a session that is to go on.
func (s *setup) resume(object []byte) error {
	handles := 0
	return members(object, func(name []byte, from, to int) error {
		if !payload.Spells(name, "handle") {
			return nil
		}
		var handle *string
		if handles++; handles > 1 || s.handle != "" || json.Unmarshal(object[from:to], &handle) != nil {
			return errSetup
		}
		if handle != nil {
			s.handle = *handle
		}
		return nil
	})
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

// maxMember bounds the name of a member, in bytes: what a longer one spells isn't known here.
const maxMember = 256

// members calls do with each member of an object in valid JSON, and where its value stands; of
// null with none.
func members(object []byte, do func(name []byte, from, to int) error) error {
	if string(object) == "null" {
		return nil
	}
	return payload.EachMember(object, func(name []byte, from, to int) error {
		if len(name) > maxMember {
			return errSetup
		}
		return do(name, from, to)
	})
}

// setsUp reports whether a message in valid JSON that isn't the first may be another setup.
func setsUp(text []byte) bool {
	for name := range payload.MembersOf(text) {
		if len(name) > maxMember || payload.Spells(name, "setup") {
			return true
		}
	}
	return false
}
