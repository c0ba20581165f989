package simserver

import (
	"cmp"
	"encoding/json"
	"strconv"
	"time"
)

// BytesPerToken is how much text is a token in simulated servers.
const BytesPerToken = 4

// Tokens counts the tokens of a text: one for each four bytes that it begins.
func Tokens(text string) int64 { return int64(len(text)+BytesPerToken-1) / BytesPerToken }

// maxPieces is how many pieces a text has at most.
const maxPieces = 64

// Pieces returns a text in the parts that a stream has: whole tokens, but for characters that go
// on.
func Pieces(text string) (out []string) {
	size := max(2, len(text)/maxPieces/BytesPerToken+1) * BytesPerToken
	for rest := text; rest != ""; {
		n := min(size, len(rest))
		for n < len(rest) && rest[n]&0xc0 == 0x80 {
			n++
		}
		out = append(out, rest[:n])
		rest = rest[n:]
	}
	return out
}

// Tools are the tools that a request declares, which are read from its body.
type Tools struct {
	Text  string // as it was sent
	Names []string
}

// UnmarshalJSON implements [json.Unmarshaler] for a list of tools that have a name, by themselves
// or as functions.
func (t *Tools) UnmarshalJSON(raw []byte) error {
	var list []struct {
		Name     string `json:"name"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	t.Text, t.Names = string(raw), nil
	for _, tool := range list {
		t.Names = append(t.Names, cmp.Or(tool.Function.Name, tool.Name))
	}
	return nil
}

// Seconds are a wait in whole seconds, rounded up.
func Seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// JSON writes a server's own types.
func JSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}
