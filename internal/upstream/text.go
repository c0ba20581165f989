package upstream

import (
	"bytes"
	"encoding/json"

	"fluxgate.dev/fluxgate/internal/payload"
)

// AddText adds the text of a piece to a body, as a JSON string. What stands in a caller's body
// stays there: it is read from it when this is sent, without being decoded or copied.
func AddText(b *payload.Rope, p *payload.Piece) error {
	switch {
	case len(p.Quoted) > 0:
		b.AddQuoted(p.Quoted)
	case len(p.JSON) > 0:
		b.AddString(`"`)
		b.AddAsText(p.JSON)
		b.AddString(`"`)
	default:
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false) // of no use here
		if err := enc.Encode(p.Text); err != nil {
			return err
		}
		b.Add(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
	}
	return nil
}
