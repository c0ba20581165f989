package payload

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/gabriel-vasile/mimetype"

	"fluxgate.dev/fluxgate/internal/payload/escape"
)

// A Media is an image or a file in a body.
type Media struct {
	// Base64 is standard base64 with padding, as it stands in the body. Unless it is
	// loose: base64 of another flavour, in a JSON string. A Rope puts that into the
	// standard form where it is read.
	Base64   []byte
	MIMEType string

	loose bool
	chars int // of loose base64 that count
	last  int // where the last of them stands
}

// size is how many bytes the image or file has.
func (m Media) size() int64 {
	if m.loose {
		return int64(m.chars) * 3 / 4
	}
	return int64(len(bytes.TrimRight(m.Base64, "="))) * 3 / 4
}

var (
	errNotBase64   = errors.New("not base64")
	errNotInBase64 = errors.New("data URL without base64")
	errNoBytes     = errors.New("empty")
)

// unknownMedia is what sniffing says of bytes that it can't tell.
const unknownMedia = "application/octet-stream"

// sniffed is how many characters of base64 are decoded to recognise a type: more
// than the 4,096 bytes that mimetype looks at, or what was cut would look whole to it.
const sniffed = 5464

// readMedia reads a JSON string of base64 of any flavour, or a data: URL of it.
// The type is sniffed: what callers claim is often wrong. Only where the bytes
// don't show it is the data: URL believed. Nothing is copied.
func readMedia(quoted []byte) (Media, error) {
	if len(quoted) < 2 || quoted[0] != '"' {
		return Media{}, errNoBytes // null
	}
	return parseMedia(quoted[1 : len(quoted)-1])
}

// parseMedia is readMedia for what is between the quotes.
func parseMedia(text []byte) (Media, error) {
	claimed := ""
	if bytes.HasPrefix(text, []byte("data:")) {
		// No character of base64 is a comma.
		comma := bytes.IndexByte(text[:min(len(text), maxName)], ',')
		if comma < 0 {
			return Media{}, errNotInBase64
		}
		head, ok := bytes.CutSuffix(token{text: text[:comma], escaped: true}.start(), []byte(";base64"))
		if !ok {
			return Media{}, errNotInBase64
		}
		kind, _, _ := bytes.Cut(head[len("data:"):], []byte(";"))
		claimed, text = string(kind), text[comma+1:]
	}
	m, err := standardBase64(text)
	if err != nil {
		return Media{}, err
	}
	start, encoding := m.Base64[:min(len(m.Base64), sniffed)], base64.StdEncoding
	if m.loose {
		start, encoding = make([]byte, sniffed), base64.RawStdEncoding
		n, _ := standardCharacters(start, m.Base64)
		start = start[:n]
	}
	decoded := make([]byte, encoding.DecodedLen(len(start)))
	n, err := encoding.Decode(decoded, start)
	if err != nil {
		return Media{}, err
	}
	kind, _, _ := strings.Cut(mimetype.Detect(decoded[:n]).String(), ";")
	if kind == unknownMedia && claimed != "" {
		kind = claimed
	}
	m.MIMEType = kind
	return m, nil
}

// standardBase64 checks base64 of any flavour, with or without padding and broken
// into lines or not, in a JSON string, and says whether it is in the standard form.
func standardBase64(text []byte) (Media, error) {
	text = bytes.TrimSpace(text)
	n, last, padding, standard := 0, 0, 0, true
	for at, size := 0, 1; at < len(text); at += size {
		c := text[at]
		if size = 1; c == '\\' {
			if c, size = escaped(text[at:]); c == 0 {
				return Media{}, errNotBase64
			}
			standard = false
		}
		switch kind := base64Kinds[c]; kind {
		case standardKind, otherKind:
			if padding > 0 {
				return Media{}, errNotBase64
			}
			standard = standard && kind == standardKind
			n, last = n+1, at
		case lineBreak:
			standard = false
		case paddingKind:
			padding++
		default:
			return Media{}, errNotBase64
		}
	}
	switch missing := (4 - n%4) % 4; {
	case n == 0:
		return Media{}, errNoBytes
	case missing == 3:
		return Media{}, errNotBase64
	case standard && padding == missing && canonical(text[:len(text)-padding], padding):
		return Media{Base64: text}, nil
	}
	return Media{Base64: text, loose: true, chars: n, last: last}, nil
}

// The kinds of characters in base64; 0 is none of it.
const (
	standardKind = iota + 1
	otherKind    // of the other alphabet
	lineBreak
	paddingKind
)

var base64Kinds = func() (kinds [256]byte) {
	for _, c := range []byte(alphabet) {
		kinds[c] = standardKind
	}
	kinds['-'], kinds['_'], kinds['\r'], kinds['\n'], kinds['='] = otherKind, otherKind, lineBreak, lineBreak, paddingKind
	return kinds
}()

// escaped returns the ASCII character that an escape in JSON stands for, 0 for any
// other, and the size of the escape.
func escaped(text []byte) (c byte, size int) {
	if escape.IsCode(text) {
		code := escape.HexCode(text[2:])
		if code >= utf8.RuneSelf {
			return 0, escape.Size
		}
		return byte(code), escape.Size
	}
	if len(text) < 2 {
		return 0, len(text)
	}
	if i := bytes.IndexByte([]byte("bfnrtv"), text[1]); i >= 0 {
		return "\b\f\n\r\t\v"[i], 2
	}
	return text[1], 2
}

// canonical reports whether the bits of the last character that mean nothing are
// clear, as strict decoders want them.
func canonical(text []byte, padding int) bool {
	last := text[len(text)-1]
	return last == cleared(last, padding)
}

// alphabet is that of standard base64.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// cleared returns the last character of base64 without the bits that mean nothing.
func cleared(last byte, padding int) byte {
	return alphabet[strings.IndexByte(alphabet, last)>>(2*padding)<<(2*padding)]
}

// standardCharacters is a filter that puts base64 of any flavour, in a JSON string, into
// the standard alphabet, without line breaks and without padding.
func standardCharacters(dst, src []byte) (written, read int) {
	for read < len(src) && written < len(dst) {
		c, size := src[read], 1
		if c == '\\' {
			c, size = escaped(src[read:])
		}
		read += size
		switch c {
		case '-':
			c = '+'
		case '_':
			c = '/'
		case '\r', '\n', '=':
			continue
		}
		dst[written] = c
		written++
	}
	return written, read
}
