package payload

import (
	"bytes"
	"iter"
	"slices"
	"unicode/utf8"

	"fluxgate.dev/fluxgate/internal/payload/escape"
)

// The features of a request that have quotas of their own.
const (
	SearchFeature = "google_search" // grounding by search, in all its spellings
	URLFeature    = "url_context"
	MapsFeature   = "google_maps"
	ImageFeature  = "image_output"
	LiveFeature   = "live" // a session of the Live API, which no body asks for
)

// featureNames are the names by which a body asks for a feature, as a member or as
// the type of a tool, in Google's format and in OpenAI's alike.
var featureNames = []struct{ name, feature string }{
	{"googlesearch", SearchFeature}, {"googlesearchretrieval", SearchFeature}, {"urlcontext", URLFeature}, {"googlemaps", MapsFeature},
}

// modalityNames are the members that say what kinds of output are wanted.
var modalityNames = []string{"responsemodalities", "modalities"}

// The sizes of these names, in bytes as they stand in a body.
const minFeature, maxFeature = len("urlcontext"), 256

// Features is what [Asks] finds.
func Features(body []byte) []string { found, _ := Asks(body); return found }

// Asks returns which features a body asks for, each once, in order. It reads any
// bytes, JSON or not, and rather finds too many than too few: every string that is a
// feature's name counts, wherever it stands and however it is spelt (Spells). A name within a
// prompt's text doesn't, unless it is in quotes there. It says too whether the body names what
// kinds of output are wanted.
func Asks(body []byte) (found []string, output bool) {
	add := func(feature string) {
		if !slices.Contains(found, feature) {
			found = append(found, feature)
		}
	}
	for piece := range escape.Windows(body, withoutEscapes) {
		for _, mark := range []byte(`"':`) {
			read := 0 // what is before that was looked through for images
			for name, end := range namesBefore(piece, mark) {
				spells := func(word string) bool { return Spells(name, word) }
				for _, x := range featureNames {
					if spells(x.name) {
						add(x.feature)
					}
				}
				if slices.ContainsFunc(modalityNames, spells) {
					wanted, to := wantsImages(piece, end, read)
					if read, output = to, true; wanted {
						add(ImageFeature)
					}
				}
			}
		}
	}
	slices.Sort(found)
	return found, output
}

// namesBefore yields what stands before every mark of a body and may be a feature's name, with
// where it ends: in quotes, where the mark is one, and without where it is a colon.
func namesBefore(body []byte, mark byte) iter.Seq2[[]byte, int] {
	return func(yield func(name []byte, end int) bool) {
		for at, next := 0, 0; next >= 0; at++ {
			end := len(body)
			if next = bytes.IndexByte(body[at:], mark); next >= 0 {
				at += next
				end = at
			}
			before := end
			for mark == ':' && end > 0 && isBlank(body[end-1]) {
				end--
			}
			// What follows so many blanks may not be in this window.
			if next < 0 && (mark != ':' || before-end <= escape.Overlap/2) {
				return
			}
			begin := end
			for begin > max(0, end-maxFeature) && wordByte(body[begin-1]) {
				begin--
			}
			quoted := begin > 0 && body[begin-1] == mark
			if end-begin >= minFeature && (mark == ':' || quoted) && !yield(body[begin:end], end) {
				return
			}
		}
	}
}

func isBlank(b byte) bool { return b == ' ' || '\t' <= b && b <= '\r' }

func wordByte(b byte) bool {
	return b == '_' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// wantsImages reports whether the value after the name of a member that ends there has the image
// modality, or its number: a list as long as it is, or one value. It looks through no byte twice, and
// returns how far. One that goes on in the next window, and is too long to be whole there, is taken to have it.
func wantsImages(body []byte, from, read int) (bool, int) {
	long, value := len(body)-from > escape.Overlap/2, bytes.TrimLeft(body[from:], " \t\n\v\f\r\"':")
	list, from := bytes.HasPrefix(value, []byte("[")), len(body)-len(value)
	end := len(body)
	if !list {
		end = min(from+256, end)
	}
	begin, read := max(from, read-len("imag")), max(read, from) // it may have been cut there
	for i := begin; i < end && body[i] != ']'; i++ {
		if body[i] == '2' && (list || i == from) || body[i]|0x20 == 'i' && bytes.EqualFold(body[i:min(i+len("image"), end)], []byte("image")) {
			return true, read
		}
		read = max(read, i+1)
	}
	return long && read == len(body), read
}

// withoutEscapes appends a body with the escapes resolved that a name may be written
// with: the standard's, and those that Google takes beside them. Quotes within strings
// stay escaped. It is to windows what the method of escapes is.
func withoutEscapes(out, body []byte, all bool) (_ []byte, read int) {
	for rest := body; ; {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 || at+1 == len(rest) && all {
			return append(out, rest...), len(body)
		}
		out = append(out, rest[:at]...)
		if rest = rest[at:]; len(rest) < escape.Size && !all {
			return out, len(body) - len(rest)
		}
		c, size := rest[1], 2
		if (c == 'u' || c == 'U') && escape.IsHex(rest[2:]) {
			c, size = byte(min(escape.HexCode(rest[2:]), utf8.RuneSelf)), escape.Size
		} else if bytes.IndexByte([]byte("bfnrtuv"), c) >= 0 {
			c = ' ' // a character that no name has
		}
		if wordByte(c) {
			out = append(out, c)
		} else {
			out = append(out, rest[:size]...)
		}
		rest = rest[size:]
	}
}
