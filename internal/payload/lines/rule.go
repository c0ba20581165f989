package lines

import (
	"bytes"
	"regexp"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/escape"
	"fluxgate.dev/fluxgate/internal/payload/references"
)

// A Rule is what one provider reads as references. Strings come without their escapes.
type Rule struct {
	// Key says what a member's name says of its values; 0 is nothing. Of one that is too long to be
	// held it gets nil.
	Key func(name []byte) byte
	// Names returns what a string refers to that is the value of such a member.
	Names func(key byte, text []byte) []string
	// Loose returns what a text may name that isn't JSON of the standard. Nil: the provider refuses
	// lines that aren't, but perhaps for numbers such as NaN, and for strings with other escapes.
	Loose func(text []byte) []string
}

// What members may name.
const (
	reference byte = iota + 1
	file
	store
	container
	earlier // a response or a conversation
	itself  // what has it for its ID, which may be an item
)

// keys are what members name whose values are IDs, by their kinds, and kinds are those.
var (
	keys  = map[string]byte{references.Files: file, references.VectorStores: store, references.Containers: container, references.Responses: earlier}
	kinds = map[byte]string{file: references.Files, store: references.VectorStores, container: references.Containers}
)

// Gemini finds files, cached contents and stores.
var Gemini = Rule{
	Key: func(name []byte) byte {
		if name == nil || payload.Refers(name) {
			return reference
		}
		return 0
	},
	Names: func(key byte, text []byte) []string { return payload.NamesIn(text, key == reference) },
	Loose: payload.MentionsIn,
}

// OpenAI finds files, vector stores, containers, responses, conversations and items by their IDs, in the format
// of OpenAI. An item may be referred to by its ID alone, so whatever has such an ID counts, be it said in full or not.
var OpenAI = Rule{
	Key: func(name []byte) byte {
		if key, ok := keys[references.Kind(name)]; ok {
			return key
		}
		switch {
		case payload.Spells(name, "previousresponseid"), payload.Spells(name, "conversation"):
			return earlier
		case payload.Spells(name, "id"):
			return itself
		}
		return 0
	},
	Names: func(key byte, text []byte) []string {
		id := string(text)
		switch {
		case id == "":
		case kinds[key] != "":
			return []string{references.Named(kinds[key], id)}
		case conversation.MatchString(id), key == earlier && strings.HasPrefix(id, "conv"):
			return []string{"conversations/" + id}
		case response.MatchString(id), key == earlier:
			return []string{"responses/" + id}
		case containerID.MatchString(id):
			return []string{references.Containers + id}
		case key == itself && fileID.MatchString(id):
			return []string{references.Files + id}
		case key == itself && itemID.MatchString(id) && !strings.HasPrefix(id, "call_"):
			return []string{references.Items + id}
		}
		return nil
	},
}

// OpenAI's IDs are known wherever they stand: a conversation and a container may be an object around its own.
// Calls have IDs that clients may choose.
var (
	conversation = regexp.MustCompile(`^conv_[0-9A-Za-z]{12,}$`)
	response     = regexp.MustCompile(`^resp_[0-9A-Za-z]{12,}$`)
	containerID  = regexp.MustCompile(`^cntr_[0-9A-Za-z]{12,}$`)
	fileID       = regexp.MustCompile(`^file-[0-9A-Za-z]{12,}$`) // of an object that names one
	itemID       = regexp.MustCompile(`^[a-z]+_[0-9a-f]{24,}$`)
)

// plain returns a string without its escapes.
func plain(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text
	}
	out, _ := escape.Escapes{Controls: true}.Resolve(nil, text, true)
	return out
}
