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

// A Piece is a text, or an image or file if its media has data.
type Piece struct {
	Text  string
	Media Media
}

// EstimatePieces sizes a system instruction and pieces in tokens; it is never less
// than one.
func EstimatePieces(system string, pieces []Piece) int64 {
	n := textTokens(int64(len(system)))
	for _, p := range pieces {
		n += textTokens(int64(len(p.Text)))
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
