package mentions

import "fluxgate.dev/fluxgate/internal/payload"

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
		if what := string(name); what != "input" && what != "items" || value[0] != '[' {
			continue
		}
		for item := range payload.ElementsOf(value) {
			if item[0] != '{' || !isReference(item) {
				continue
			}
			if err := r.identified(Items, item); err != nil {
				return err
			}
		}
	}
	return nil
}

// isReference reports whether an object is a reference to an item. Of a member that is there twice
// any may count.
func isReference(object []byte) bool {
	typed, spoken, image, drawn, blank := false, false, false, false, false
	for name, value := range payload.MembersOf(object) {
		said := string(value) != "null"
		switch string(name) {
		case "type":
			switch nameOf(value) {
			case itemReference:
				return true
			case imageCall:
				image = true
			}
			typed = typed || said
		case "role":
			spoken = spoken || said
		case "result":
			drawn, blank = true, blank || !said || string(value) == `""`
		}
	}
	return !typed && !spoken || image && (!drawn || blank)
}
