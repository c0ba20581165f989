package payload

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxModelName bounds a model's name, in bytes.
const maxModelName = 80

// ValidModel reports whether a text can be a model's name, without "models/": it
// becomes part of a path, and of what is kept. It consists of words of small letters and
// digits, with a dot, an underscore or a hyphen between them.
func ValidModel(name string) bool {
	word := false // the last byte was one of a word
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			word = true
		case word && (c == '.' || c == '_' || c == '-'):
			word = false
		default:
			return false
		}
	}
	return word && len(name) <= maxModelName
}

// modelMember names the model that a body is for.
const modelMember = "model"

// ErrModel is the *FieldError for what is no model's name.
var ErrModel = invalid("model", `want a model name such as "gemini-2.5-flash", or "auto".`)

// Standard reports whether a body that has JSON is that JSON as it stands.
func (b *Body) Standard() bool { return len(b.JSON) == len(b.Text) && &b.JSON[0] == &b.Text[0] }

// Rename returns the body with another value of the top-level member "model", however it is
// spelt, where that isn't the model already, and every other byte as it is. A body that names
// two models comes out with one: whichever upstream's parser takes, only this one is
// reserved for. It fails if the body isn't an object that Google takes as JSON, or names
// its model too often.
func (b *Body) Rename(model string) (*Rope, error) {
	quoted, err := json.Marshal(model)
	if err != nil {
		return nil, err
	}
	out, done, renamed := new(Rope), 0, 0
	each := EachMember
	if !b.Standard() {
		each = eachLenientMember
	}
	err = each(b.Text, func(name []byte, from, to int) error {
		if !Spells(name, modelMember) || strings.TrimPrefix(lenientString(b.Text[from:to]), "models/") == model {
			return nil
		}
		if renamed++; renamed > maxModels {
			return ErrModel
		}
		out.Add(b.Text[done:from])
		out.Add(quoted)
		done = to
		return nil
	})
	out.Add(b.Text[done:])
	return out, err
}

// AddMembers adds the members of an object in JSON as they stand there, each behind a
// comma, and without those that name a model. It reports whether there are contents
// among them, and false if there are too many models between them.
func (r *Rope) AddMembers(object []byte) (contents bool) {
	t := lexer{text: object}
	t.next()
	models := 0
	from, to := 0, 0 // of those that are to be added
	add := func() {
		if to > from {
			r.AddString(",")
			r.Add(object[from:to])
		}
	}
	for t.more() {
		begin := t.at
		name := t.next().name()
		t.value()
		switch {
		case string(name) == "contents":
			contents = true
		case Spells(name, modelMember):
			add()
			if models++; models > maxModels {
				return false
			}
			from, to = t.at, t.at
			continue
		}
		if from == to {
			from = begin
		}
		to = t.at
	}
	add()
	return contents
}

// CountTexts returns how many texts a batchEmbedContents body holds, in all members
// of that name: upstream may take them together. Of one in which that can't be told it is the most
// that there may be; one without a text is upstream's to refuse, and counts as one.
func (b *Body) CountTexts() (n int64) {
	if b.JSON == nil {
		return max(1, int64(bytes.Count(b.Text, []byte("{")))-1)
	}
	for name, value := range MembersOf(b.JSON) {
		if !Spells(name, "requests") {
			continue
		}
		if value[0] == '{' {
			n++
		}
		for range ElementsOf(value) {
			n++
		}
	}
	return max(1, n)
}
