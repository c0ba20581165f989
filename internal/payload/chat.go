package payload

import "encoding/json"

// A Chat is what of an OpenAI-compatible request matters here. It refers to the body
// and holds no copy of it.
type Chat struct {
	Model  string // as it is spelt
	Stream bool

	object   []byte // all of it
	messages []byte // the list of messages, nil or null: none
	count    int    // of messages
	inputs   int64  // texts to embed
}

// maxModels bounds how often a body may name its model.
const maxModels = 16

// Chat reads a body of an OpenAI-compatible route, which has JSON. What is reserved for, the
// model and the inputs, is found however its member is spelt. Of members that are there twice
// the last one counts, but all inputs do. It fails with a *FieldError.
func (b *Body) Chat() (*Chat, error) {
	in := &Chat{object: b.JSON}
	models := 0
	for name, value := range MembersOf(b.JSON) {
		switch {
		case Spells(name, modelMember):
			if models++; models > maxModels || len(value) > maxName || json.Unmarshal(value, &in.Model) != nil {
				return in, ErrModel
			}
		case string(name) == "stream":
			if len(value) > maxName || json.Unmarshal(value, &in.Stream) != nil {
				return in, invalid("stream", "want true or false.")
			}
		case string(name) == "messages":
			if !in.setMessages(value) {
				return in, errNoMessages
			}
		case Spells(name, "input"):
			in.inputs += countInputs(value)
		}
	}
	return in, nil
}

var errNoMessages = invalid("messages", "want a list of at least one message.")

// setMessages notes the messages, and reports whether they are a list of objects.
func (c *Chat) setMessages(value []byte) bool {
	c.messages, c.count = value, 0
	if value[0] != '[' {
		return value[0] == 'n'
	}
	for message := range ElementsOf(value) {
		if kind := message[0]; kind != '{' && kind != 'n' {
			return false
		}
		c.count++
	}
	return true
}

// CheckMessages fails with a *FieldError if there is no message.
func (c *Chat) CheckMessages() error {
	if c.count == 0 {
		return errNoMessages
	}
	return nil
}

// countInputs returns how many texts a member of an embeddings request holds.
func countInputs(value []byte) (n int64) {
	switch {
	case value[0] == '"' && len(value) > len(`""`):
		return 1
	case value[0] == '[':
		for range ElementsOf(value) {
			n++
		}
	}
	return n
}

// CountInputs returns how many texts an embeddings request holds. It fails with a
// *FieldError if that is none.
func (c *Chat) CountInputs() (int64, error) {
	if c.inputs > 0 {
		return c.inputs, nil
	}
	return 0, invalid("input", "want a text, or a list of at least one.")
}

// maxPieces bounds how many pieces a chat is counted by.
const maxPieces = 2048

// Pieces returns what the model reads of the request, as far as its size goes;
// never nothing. It reports false where that is more pieces than are worth keeping, and
// returns what it has of them.
func (c *Chat) Pieces() ([]Piece, bool) {
	if c.count > maxPieces {
		return nil, false
	}
	out := make(pieces, 0, c.count+8)
	for message := range ElementsOf(c.messages) {
		for name, value := range MembersOf(message) {
			switch string(name) {
			case "role":
			case "content":
				out.content(value)
			default: // calls of tools and the like
				out = append(out, Piece{JSON: value})
			}
			if len(out) > maxPieces {
				return out, false
			}
		}
	}
	for name, value := range MembersOf(c.object) {
		switch string(name) {
		case "tools", "functions", "response_format": // what the model reads besides
			if out = append(out, Piece{JSON: value}); len(out) > maxPieces {
				return out, false
			}
		}
	}
	if len(out) == 0 {
		out = append(out, Piece{Text: " "})
	}
	return out, true
}

type pieces []Piece

// text adds a string, unless it is empty.
func (p *pieces) text(quoted []byte) {
	if len(quoted) > len(`""`) && quoted[0] == '"' {
		*p = append(*p, Piece{Quoted: quoted})
	}
}

// content adds what a message says, which is a text or a list of parts.
func (p *pieces) content(value []byte) {
	switch value[0] {
	case '"':
		p.text(value)
		return
	case 'n':
		return
	case '[':
	default:
		*p = append(*p, Piece{JSON: value})
		return
	}
	for part := range ElementsOf(value) {
		if part[0] != '{' {
			*p = append(*p, Piece{JSON: part})
		}
		for name, value := range MembersOf(part) {
			switch string(name) {
			case "text":
				p.text(value)
			case "image_url":
				p.media(value, "url")
			case "input_audio":
				p.media(value, "data")
			case "file":
				p.media(value, "file_data")
			}
		}
		if len(*p) > maxPieces {
			return
		}
	}
}

// media adds what is in a member of an object, if that is base64.
func (p *pieces) media(object []byte, member string) {
	for name, value := range MembersOf(object) {
		if string(name) != member {
			continue
		}
		if media, err := readMedia(value); err == nil {
			*p = append(*p, Piece{Media: media})
		}
	}
}
