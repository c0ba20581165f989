package payload

import "strings"

// The rule of estimates, for where upstream isn't or can't be asked. It errs on
// the high side for prose in any language; what it is off by is put right when
// the answer says what was counted.
const (
	bytesPerToken = 2    // of text; English has about four
	imageTokens   = 1290 // of an image, five tiles
	pageTokens    = 258  // of a page, or of 32 KiB of any other document
	pageBytes     = 32 << 10
)

func textTokens(bytes int64) int64 { return (bytes + bytesPerToken - 1) / bytesPerToken }

func documentTokens(bytes int64) int64 { return pageTokens * (1 + bytes/pageBytes) }

// Estimate sizes the body in tokens; it is never less than one.
func (m *References) Estimate() int64 {
	n := textTokens(m.texts) + m.images*imageTokens
	if m.documents > 0 {
		n += documentTokens(m.documents)
	}
	n += int64(len(m.Resources)) * pageTokens
	return max(n, 1)
}

// A Piece is a text, in one of three forms, or an image or file if its media has data.
type Piece struct {
	Text   string
	Quoted []byte // the text as a JSON string, as it stands in a body
	JSON   []byte // JSON as it stands in a body, whose text it is
	Media  Media
}

// IsText reports whether a piece is a text, and not an empty one.
func (p *Piece) IsText() bool { return p.TextLen() > 0 }

// TextLen returns how many bytes of text a piece has.
func (p *Piece) TextLen() int64 {
	switch {
	case len(p.Quoted) > 0:
		t := lexer{text: p.Quoted}
		return t.next().size()
	case len(p.JSON) > 0:
		return int64(len(p.JSON))
	}
	return int64(len(p.Text))
}

// EstimatePieces sizes a system instruction and pieces in tokens; it is never less
// than one.
func EstimatePieces(system Piece, pieces []Piece) int64 {
	n := textTokens(system.TextLen())
	for i := range pieces {
		p := &pieces[i]
		n += textTokens(p.TextLen())
		switch data := p.Media.size(); {
		case data == 0:
		case strings.HasPrefix(p.Media.MIMEType, "image/"):
			n += imageTokens
		default:
			n += documentTokens(data)
		}
	}
	return max(n, 1)
}
