package references

import (
	"bytes"

	"fluxgate.dev/fluxgate/internal/payload"
)

// itemReference is the type of what stands for an item that is kept. It may be left out: what has
// an ID, and neither a type nor a role, is one too.
// https://platform.openai.com/docs/api-reference/responses/create
const itemReference = "item_reference"

// imageCall is the type of an item that stands for an image that was made, by its ID alone, where its result isn't sent.
// https://platform.openai.com/docs/guides/tools-image-generation
const imageCall = "image_generation_call"

// items notes the items that stand in the place of what they say, in a response's input or among
// those that are added to a conversation. (What stands there in full has its ID too, and is no
// reference.)
func (r *reader) items(body []byte) error {
	for name, value := range payload.MembersOf(body) {
		if !payload.Spells(name, "input") && !payload.Spells(name, "items") {
			continue
		}
		if err := r.item(value); err != nil { // the only one
			return err
		}
		for item := range payload.ElementsOf(value) {
			if err := r.item(item); err != nil {
				return err
			}
		}
	}
	return nil
}

// item notes what is named by one that stands in the place of what it says.
func (r *reader) item(item []byte) error {
	if item[0] != '{' || !isReference(item) {
		return nil
	}
	return r.identified(Items, item)
}

// reasoning is the type of an item that stands for what a model thought, by its ID alone, where neither that is sent
// encrypted nor in words, of which a summary is only told. ("Item with id 'rs_…' not found. Items are not persisted when
// `store` is set to false": https://github.com/vercel/ai/issues/7543.)
// https://platform.openai.com/docs/api-reference/responses/object
const reasoning = "reasoning"

// isReference reports whether an object is a reference to an item. Of a member that is there twice
// any may count.
func isReference(object []byte) bool {
	typed, spoken, image, thought := false, false, false, false
	var result, encrypted, content told
	for name, value := range payload.MembersOf(object) {
		said := string(value) != "null"
		switch is := func(word string) bool { return payload.Spells(name, word) }; {
		case is("type"):
			switch kind := nameOf(value); {
			case bytes.EqualFold(kind, []byte(itemReference)):
				return true
			case bytes.EqualFold(kind, []byte(imageCall)):
				image = true
			case bytes.EqualFold(kind, []byte(reasoning)):
				thought = true
			}
			typed = typed || said
		case is("role"):
			spoken = spoken || said
		case is("result"):
			result.note(value)
		case is("encryptedcontent"):
			encrypted.note(value)
		case is("content"):
			content.note(value)
		}
	}
	return !typed && !spoken || image && !result.surely() || thought && !encrypted.surely() && !content.surely()
}

// A told says whether a member was there that says something, and whether one was that says nothing.
type told struct{ something, nothing bool }

func (t *told) note(value []byte) {
	if text := bytes.Trim(value, space+`[]"`); len(text) == 0 || string(text) == "null" {
		t.nothing = true
	} else {
		t.something = true
	}
}

// surely reports whether it says something, whichever counts.
func (t told) surely() bool { return t.something && !t.nothing }
