package escape

import (
	"bytes"
	"unicode/utf8"
)

// IsUnicode reports whether a JSON string is UTF-8, and has surrogates in pairs only.
func IsUnicode(quoted []byte) bool {
	if !utf8.Valid(quoted) {
		return false
	}
	for rest := quoted; ; {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 {
			return true
		}
		size, ok := codeIn(rest[at:])
		if !ok {
			return false
		}
		rest = rest[at+size:]
	}
}

// codeIn returns the size of the escape that a text in JSON begins with, or of the two
// that make a pair of surrogates. It reports false for half of a pair.
func codeIn(text []byte) (size int, ok bool) {
	if !IsCode(text) {
		return 2, true
	}
	r, rest := Unicode(text[2:])
	size = len(text) - len(rest)
	return size, r != utf8.RuneError || size == Size && HexCode(text[2:]) == utf8.RuneError
}

// Unicodes writes a JSON string with what stands for nothing where it isn't Unicode, as far as
// there is room, and returns how much it wrote and read.
func Unicodes(dst, src []byte) (written, read int) {
	const none = `\ufffd`
	for read < len(src) {
		piece, size := src[read:], 1
		switch c := piece[0]; {
		case c == '\\':
			var ok bool
			if size, ok = codeIn(piece); ok {
				piece = piece[:size]
			} else {
				piece = []byte(none)
			}
		case c < utf8.RuneSelf:
			piece = piece[:1]
		default:
			var r rune
			if r, size = utf8.DecodeRune(piece); r == utf8.RuneError && size == 1 {
				piece = []byte(none)
			} else {
				piece = piece[:size]
			}
		}
		if len(piece) > len(dst)-written {
			break
		}
		written += copy(dst[written:], piece)
		read += size
	}
	return written, read
}

// Quotable writes JSON with what can't stand in a JSON string escaped, as Unicodes does. JSON
// itself has no control characters but space.
func Quotable(dst, src []byte) (written, read int) {
	const hex = "0123456789abcdef"
	for read < len(src) && written+Size <= len(dst) {
		switch c := src[read]; {
		case c == '"', c == '\\':
			dst[written], dst[written+1] = '\\', c
			written += 2
		case c < ' ':
			written += copy(dst[written:], `\u00`)
			dst[written], dst[written+1] = hex[c>>4], hex[c&15]
			written += 2
		default:
			dst[written] = c
			written++
		}
		read++
	}
	return written, read
}
