package payload

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// A Media is an image or a file in a body. Base64 is standard base64 with padding:
// where it stands so in the body it is that part of the body, and not a copy.
type Media struct {
	Base64   []byte
	MIMEType string
}

// size is how many bytes the image or file has.
func (m Media) size() int64 {
	bare := bytes.TrimRight(m.Base64, "=")
	return int64(len(bare)) * 3 / 4
}

var (
	errNotBase64 = errors.New("not base64")
	errNoBytes   = errors.New("empty")
)

// unknownMedia is what sniffing says of bytes that it can't tell.
const unknownMedia = "application/octet-stream"

// sniffed is how many characters of base64 are decoded to recognise a type: more
// than the 4,096 bytes that mimetype looks at, or what was cut would look whole to it.
const sniffed = 5464

// readMedia reads a JSON string of base64 of any flavour, or a data: URL of it.
// The type is sniffed: what callers claim is often wrong. Only where the bytes
// don't show it is the data: URL believed.
func readMedia(quoted []byte) (Media, error) {
	if len(quoted) < 2 || quoted[0] != '"' {
		return Media{}, errNoBytes // null
	}
	text := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(text, '\\') >= 0 {
		var plain string
		if err := json.Unmarshal(quoted, &plain); err != nil {
			return Media{}, err
		}
		text = []byte(plain)
	}
	return parseMedia(text)
}

// parseMedia is readMedia for the string's value.
func parseMedia(text []byte) (Media, error) {
	claimed := ""
	if rest, ok := bytes.CutPrefix(text, []byte("data:")); ok {
		head, data, ok := bytes.Cut(rest, []byte(";base64,"))
		if !ok {
			return Media{}, errors.New("data URL without base64")
		}
		claimed, _, _ = strings.Cut(string(head), ";")
		text = data
	}
	data, err := standardBase64(text)
	if err != nil {
		return Media{}, err
	}
	start := data[:min(len(data), sniffed)]
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(start)))
	n, err := base64.StdEncoding.Decode(decoded, start)
	if err != nil {
		return Media{}, err
	}
	kind, _, _ := strings.Cut(mimetype.Detect(decoded[:n]).String(), ";")
	if kind == unknownMedia && claimed != "" {
		kind = claimed
	}
	return Media{Base64: data, MIMEType: kind}, nil
}

// standardBase64 checks base64 of any flavour, with or without padding and broken
// into lines or not. What is in the standard form already is returned as it is;
// anything else is put into that form in a copy.
func standardBase64(text []byte) ([]byte, error) {
	text = bytes.TrimSpace(text)
	bare := bytes.TrimRight(text, "=")
	n, standard := 0, true
	for _, c := range bare {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/':
			n++
		case c == '-', c == '_':
			n++
			standard = false
		case c == '\r', c == '\n':
			standard = false
		default:
			return nil, errNotBase64
		}
	}
	switch padding := (4 - n%4) % 4; {
	case n == 0:
		return nil, errNoBytes
	case padding == 3:
		return nil, errNotBase64
	case standard && len(text)-len(bare) == padding && canonical(bare, padding):
		return text, nil
	default:
		// Through the decoder: it clears the bits of the last character that mean nothing.
		data, err := base64.RawStdEncoding.DecodeString(string(standardAlphabet(bare)))
		if err != nil {
			return nil, err
		}
		return base64.StdEncoding.AppendEncode(nil, data), nil
	}
}

// canonical reports whether the bits of the last character that mean nothing are
// clear, as strict decoders want them.
func canonical(text []byte, padding int) bool {
	const clear1, clear2 = "AEIMQUYcgkosw048", "AQgw"
	last := text[len(text)-1]
	switch padding {
	case 1:
		return strings.IndexByte(clear1, last) >= 0
	case 2:
		return strings.IndexByte(clear2, last) >= 0
	}
	return true
}

// standardAlphabet returns a copy in the standard alphabet, without line breaks.
func standardAlphabet(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for _, c := range text {
		switch c {
		case '-':
			c = '+'
		case '_':
			c = '/'
		case '\r', '\n':
			continue
		}
		out = append(out, c)
	}
	return out
}
