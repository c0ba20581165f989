package payload

import (
	"encoding/json"
	"maps"
	"slices"
)

// A Chat is what of an OpenAI-compatible request matters here.
type Chat struct {
	Model  string // as it is spelt
	Stream bool

	messages []map[string]json.RawMessage
	extras   []json.RawMessage // other members that the model reads
	inputs   []json.RawMessage
}

// ReadChat reads it. Names are taken as they are spelt, unlike by encoding/json;
// of members that are there twice the last one counts, but all inputs do. It fails with a
// *FieldError.
func ReadChat(body []byte) (*Chat, error) {
	in := new(Chat)
	err := eachMember(body, func(name string, from, to int) error {
		value := body[from:to]
		switch name {
		case "model":
			if json.Unmarshal(value, &in.Model) != nil {
				return ErrModel
			}
		case "stream":
			if json.Unmarshal(value, &in.Stream) != nil {
				return invalid("stream", "want true or false.")
			}
		case "messages":
			in.messages = nil
			if json.Unmarshal(value, &in.messages) != nil {
				return errNoMessages
			}
		case "tools", "functions", "response_format":
			in.extras = append(in.extras, value)
		case "input":
			in.inputs = append(in.inputs, value)
		}
		return nil
	})
	return in, err
}

var errNoMessages = invalid("messages", "want a list of at least one message.")

// CheckMessages fails with a *FieldError if there is no message.
func (c *Chat) CheckMessages() error {
	if len(c.messages) == 0 {
		return errNoMessages
	}
	return nil
}

// CountInputs returns how many texts an embeddings request holds. It fails with a
// *FieldError if that is none.
func (c *Chat) CountInputs() (int64, error) {
	var n int64
	for _, input := range c.inputs {
		var text string
		var texts []json.RawMessage
		switch {
		case json.Unmarshal(input, &text) == nil && text != "":
			n++
		case json.Unmarshal(input, &texts) == nil:
			n += int64(len(texts))
		}
	}
	if n > 0 {
		return n, nil
	}
	return 0, invalid("input", "want a text, or a list of at least one.")
}

// Pieces returns what the model reads of the request, as far as its size goes;
// never nothing.
func (c *Chat) Pieces() []Piece {
	var out pieces
	for _, m := range c.messages {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			switch name {
			case "role":
			case "content":
				out.content(m[name])
			default: // calls of tools and the like
				out.text(string(m[name]))
			}
		}
	}
	for _, extra := range c.extras {
		out.text(string(extra))
	}
	if len(out) == 0 {
		out.text(" ")
	}
	return out
}

type pieces []Piece

func (p *pieces) text(s string) {
	if s != "" {
		*p = append(*p, Piece{Text: s})
	}
}

// content adds what a message says.
func (p *pieces) content(raw json.RawMessage) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		p.text(text)
		return
	}
	var parts []struct {
		Text     string `json:"text"`
		ImageURL struct {
			URL string `json:"url"`
		} `json:"image_url"`
		InputAudio struct {
			Data   string `json:"data"`
			Format string `json:"format"`
		} `json:"input_audio"`
		File struct {
			Data string `json:"file_data"`
		} `json:"file"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		p.text(string(raw))
		return
	}
	for _, part := range parts {
		p.text(part.Text)
		for _, data := range []string{part.ImageURL.URL, part.InputAudio.Data, part.File.Data} {
			if data == "" {
				continue
			}
			if media, err := parseMedia([]byte(data)); err == nil {
				*p = append(*p, Piece{Media: media})
			}
		}
	}
}
