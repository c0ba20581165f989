package wire

import (
	"strings"

	"fluxgate.dev/fluxgate/internal/geminisim/tokeniser"
)

// Costs of parts that aren't text, in tokens. 258 is what the real service
// charges for a small image or a page of a PDF, 32 and 263 what it charges for
// a second of audio and video; the sizes that stand in for a page or a second
// are this simulator's own.
const (
	imageTokens = 258
	pageTokens  = 258
	audioTokens = 32
	videoTokens = 263

	pageBytes  = 32 << 10
	audioBytes = 16_000
	videoBytes = 128 << 10
)

// tokens returns what the part costs; at least 1.
func (p *Part) tokens() int64 {
	switch {
	case p.Text != nil:
		return max(1, tokeniser.Count(*p.Text))
	case p.InlineData != nil:
		return max(1, p.InlineData.tokens())
	case p.FileData != nil:
		return max(pageTokens, p.FileTokens)
	case p.FunctionCall != nil:
		return tokeniser.JSON(p.FunctionCall)
	case p.FunctionResponse != nil:
		return tokeniser.JSON(p.FunctionResponse)
	default:
		return 1
	}
}

func (b *Blob) tokens() int64 {
	size := int64(len(b.bytes))
	kind, _, _ := strings.Cut(strings.ToLower(b.MIMEType), "/")
	switch kind {
	case "image":
		return imageTokens
	case "text":
		return tokeniser.Count(string(b.bytes))
	case "audio":
		return audioTokens * ((size + audioBytes - 1) / audioBytes)
	case "video":
		return videoTokens * ((size + videoBytes - 1) / videoBytes)
	default:
		return DocumentTokens(size)
	}
}

// Tokens returns the input tokens of the request.
func (r *GenerateRequest) Tokens() int64 {
	var n int64
	for i := range r.Contents {
		n += r.Contents[i].Tokens()
	}
	if r.SystemInstruction != nil {
		n += r.SystemInstruction.Tokens()
	}
	for _, t := range r.Tools {
		n += tokeniser.JSON(t)
	}
	return n
}

// Tokens returns the input tokens of a turn.
func (c *Content) Tokens() int64 {
	var n int64
	for i := range c.Parts {
		n += c.Parts[i].tokens()
	}
	return n
}

// DocumentTokens returns what a document of so many bytes costs.
func DocumentTokens(size int64) int64 { return pageTokens * ((size + pageBytes - 1) / pageBytes) }
