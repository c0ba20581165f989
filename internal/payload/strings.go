package payload

import (
	"bytes"
	"iter"
	"unicode/utf8"
)

// isCode reports whether a text begins with \u and four hexadecimal digits.
func isCode(text []byte) bool {
	return len(text) >= escapeSize && text[0] == '\\' && text[1] == 'u' && isHex(text[2:])
}

// escapeSize is the size of the longest escape, in bytes.
const escapeSize = len(`\u0000`)

// An escapes says how escapes are read: controls has \n and the like read as what they are
// and not as letters, long has \U read as a code.
type escapes struct{ controls, long bool }

// resolve appends a text without its escapes, of which any parser's are taken, whether
// they are in strings or not. Unless all of the text is there, it stops at an escape that
// may go on behind it. It returns how much it read.
func (e escapes) resolve(out, text []byte, all bool) (_ []byte, read int) {
	for rest := text; ; {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 || at+1 == len(rest) && all {
			return append(out, rest...), len(text)
		}
		out = append(out, rest[:at]...)
		if rest = rest[at:]; len(rest) < escapeSize && !all {
			return out, len(text) - len(rest)
		}
		c := rest[1]
		if (c == 'u' || c == 'U' && e.long) && isHex(rest[2:]) {
			out, rest = utf8.AppendRune(out, hexCode(rest[2:])), rest[escapeSize:]
			continue
		}
		if i := bytes.IndexByte([]byte("bfnrtv"), c); i >= 0 && e.controls {
			c = "\b\f\n\r\t\v"[i]
		}
		out, rest = append(out, c), rest[2:]
	}
}

const (
	// windowSize is how much of a text is looked at at a time, in bytes.
	windowSize = 64 << 10
	// overlap is how much of it is looked at with what follows, too: whatever is looked
	// for is shorter.
	overlap = 1 << 10
)

// windows yields a text without its escapes in pieces of bounded size that overlap, so
// that it need not be copied as a whole. One without escapes is yielded as it is.
// Resolve is a method of escapes, or like one.
func windows(text []byte, resolve func(out, text []byte, all bool) ([]byte, int)) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if bytes.IndexByte(text, '\\') < 0 {
			yield(text)
			return
		}
		var window []byte
		for len(text) > 0 {
			next := text[:min(len(text), windowSize)]
			var read int
			window, read = resolve(window, next, len(next) == len(text))
			text = text[read:]
			if !yield(window) {
				return
			}
			window = append(window[:0], window[max(0, len(window)-overlap):]...)
		}
	}
}
