package escape

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// IsCode reports whether a text begins with \u and four hexadecimal digits.
func IsCode(text []byte) bool {
	return len(text) >= Size && text[0] == '\\' && text[1] == 'u' && IsHex(text[2:])
}

// Size is the size of the longest escape, in bytes.
const Size = len(`\u0000`)

// An Escapes says how escapes are read: Controls has \n and the like read as what they are
// and not as letters, Long has \U read as a code.
type Escapes struct{ Controls, Long bool }

// Resolve appends a text without its escapes, of which any parser's are taken, whether
// they are in strings or not. Unless all of the text is there, it stops at an escape that
// may go on behind it. It returns how much it read.
func (e Escapes) Resolve(out, text []byte, all bool) (_ []byte, read int) {
	for rest := text; ; {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 || at+1 == len(rest) && all {
			return append(out, rest...), len(text)
		}
		out = append(out, rest[:at]...)
		if rest = rest[at:]; len(rest) < Size && !all {
			return out, len(text) - len(rest)
		}
		c := rest[1]
		if (c == 'u' || c == 'U' && e.Long) && IsHex(rest[2:]) {
			out, rest = utf8.AppendRune(out, HexCode(rest[2:])), rest[Size:]
			continue
		}
		if i := bytes.IndexByte([]byte("bfnrtv"), c); i >= 0 && e.Controls {
			c = "\b\f\n\r\t\v"[i]
		}
		out, rest = append(out, c), rest[2:]
	}
}

const (
	// WindowSize is how much of a text is looked at at a time, in bytes.
	WindowSize = 64 << 10
	// Overlap is how much of it is looked at with what follows, too: whatever is looked
	// for is shorter.
	Overlap = 1 << 10
)

// Windows yields a text without its escapes in pieces of bounded size that Overlap, so
// that it need not be copied as a whole. One without escapes is yielded as it is.
// Resolve is a method of Escapes, or like one.
func Windows(text []byte, resolve func(out, text []byte, all bool) ([]byte, int)) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if bytes.IndexByte(text, '\\') < 0 {
			yield(text)
			return
		}
		var window []byte
		for len(text) > 0 {
			next := text[:min(len(text), WindowSize)]
			var read int
			window, read = resolve(window, next, len(next) == len(text))
			text = text[read:]
			if !yield(window) {
				return
			}
			window = append(window[:0], window[max(0, len(window)-Overlap):]...)
		}
	}
}

// Ends returns how the text of a long reference begins, and how it ends before a query
// or a fragment: no name of a resource is longer than that.
func Ends(text []byte) []byte {
	var ends []byte
	for window := range Windows(text, Escapes{Controls: true}.Resolve) {
		cut := bytes.IndexAny(window, "?#")
		if cut >= 0 {
			window = window[:cut]
		}
		begin := min(len(ends), Overlap)
		if ends == nil {
			begin = min(len(window), Overlap)
			ends = append(ends, window[:begin]...)
			window = window[begin:]
		}
		if len(window) > 0 {
			ends = append(ends[:begin], window[max(0, len(window)-Overlap):]...)
		}
		if cut >= 0 {
			break
		}
	}
	return ends
}

// Unpercented returns a text without its percent encoding, as far as it is one.
func Unpercented(text string) string {
	var out strings.Builder
	for at := 0; at < len(text); at++ {
		if text[at] == '%' && at+2 < len(text) {
			if code, err := strconv.ParseUint(text[at+1:at+3], 16, 8); err == nil {
				out.WriteByte(byte(code))
				at += 2
				continue
			}
		}
		out.WriteByte(text[at])
	}
	return out.String()
}

// Unicode returns the character whose code a text begins with, and what follows.
// Half a surrogate pair is none: it is replaced.
func Unicode(text []byte) (rune, []byte) {
	r, rest := HexCode(text), text[4:]
	if !utf16.IsSurrogate(r) {
		return r, rest
	}
	if len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
		if pair := utf16.DecodeRune(r, HexCode(rest[2:])); pair != utf8.RuneError {
			return pair, rest[6:]
		}
	}
	return utf8.RuneError, rest
}

// HexCode returns the number of four hexadecimal digits.
func HexCode(text []byte) rune {
	code, _ := strconv.ParseUint(string(text[:4]), 16, 16) // the text is valid
	return rune(code)
}

// IsHex reports whether a text begins with four hexadecimal digits.
func IsHex(text []byte) bool {
	if len(text) < 4 {
		return false
	}
	for _, c := range text[:4] {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}

// StringEnd returns where the string of a JSON text ends that begins there, behind its quote, or
// the text does. It looks for quotes alone: media are long.
func StringEnd(text []byte, begin int) int {
	for at := begin + 1; ; {
		quote := bytes.IndexByte(text[at:], '"')
		if quote < 0 {
			return len(text)
		}
		quote += at
		first := quote // of the backslashes before it
		for text[first-1] == '\\' {
			first--
		}
		at = quote + 1
		if (quote-first)%2 == 0 {
			return at
		}
	}
}
