package payload

import (
	"encoding/json"
	"io"
	"strings"
)

// plenty is room for any body.
func plenty(int64) error { return nil }

// bodyOf returns a body whose JSON is known, as far as there is any.
func bodyOf(text []byte) *Body {
	b := &Body{Text: text}
	if json.Valid(text) {
		b.JSON = text
	}
	return b
}

func readChat(text []byte) (*Chat, error) {
	if !json.Valid(text) {
		return nil, errNotJSON
	}
	return bodyOf(text).Chat()
}

func renameModel(text []byte, model string) ([]byte, error) {
	rope, err := bodyOf(text).Rename(model)
	if err != nil {
		return nil, err
	}
	return flat(rope), nil
}

// inputsOf counts the texts of an embeddings request's member.
func inputsOf(value []byte) int64 {
	if value = []byte(strings.TrimSpace(string(value))); !json.Valid(value) {
		return 0
	}
	return countInputs(value)
}

// flat returns the text of a rope.
func flat(r *Rope) []byte {
	text, err := io.ReadAll(r.Open())
	if err != nil || int64(len(text)) != r.Len() {
		panic("a rope has another length than it says")
	}
	return text
}
