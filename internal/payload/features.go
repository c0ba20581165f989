package payload

import (
	"bytes"
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
	{"google_search", SearchFeature}, {"googleSearch", SearchFeature},
	{"google_search_retrieval", SearchFeature}, {"googleSearchRetrieval", SearchFeature},
	{"url_context", URLFeature}, {"urlContext", URLFeature},
	{"google_maps", MapsFeature}, {"googleMaps", MapsFeature},
}

// modalityNames are the members that say what kinds of output are wanted.
var modalityNames = []string{"responseModalities", "response_modalities", "modalities"}

// featureMarks are parts of which each of these names has one.
var featureMarks = [][]byte{[]byte("google"), []byte("url"), []byte("odalities")}

// Features returns which features a body asks for, each once, in order. It reads any
// bytes, JSON or not, and rather finds too many than too few: every string that is a
// feature's name counts, wherever it stands. A name within a prompt's text doesn't,
// unless it is in quotes there.
func Features(body []byte) []string {
	var found []string
	add := func(feature string) {
		if !slices.Contains(found, feature) {
			found = append(found, feature)
		}
	}
	for piece := range escape.Windows(body, withoutEscapes) {
		// Most bodies have none of these, and so nothing of what is looked for.
		if !slices.ContainsFunc(featureMarks, func(mark []byte) bool { return bytes.Contains(piece, mark) }) {
			continue
		}
		for _, x := range featureNames {
			if index(piece, x.name, 0) >= 0 {
				add(x.feature)
			}
		}
		for _, name := range modalityNames {
			if wantsImages(piece, name) {
				add(ImageFeature)
				break
			}
		}
	}
	slices.Sort(found)
	return found
}

// index returns where a name stands, at from or after it, as a string or as a member
// without quotes; -1: nowhere.
func index(body []byte, name string, from int) int {
	for from <= len(body) {
		i := bytes.Index(body[from:], []byte(name))
		if i < 0 {
			return -1
		}
		at := from + i
		end := at + len(name)
		before, after := byte(0), byte(0)
		if at > 0 {
			before = body[at-1]
		}
		if end < len(body) {
			after = body[end]
		}
		if (before == '"' || before == '\'') && after == before {
			return at
		}
		if !wordByte(before) {
			behind := bytes.TrimLeft(body[end:], " \t\r\n\v\f")
			// What follows so many blanks may not be in this window.
			if bytes.HasPrefix(behind, []byte(":")) || len(behind) == 0 && len(body)-end > escape.Overlap/2 {
				return at
			}
		}
		from = end
	}
	return -1
}

func wordByte(b byte) bool {
	return b == '_' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// wantsImages reports whether the list after a member of that name, wherever it stands,
// has the image modality. It reads no byte twice, however many there are.
func wantsImages(body []byte, name string) bool {
	const image = "image"
	read := 0 // what is before that was read
	for at := index(body, name, 0); at >= 0; at = index(body, name, at+len(name)) {
		begin := at + len(name)
		end := min(begin+256, len(body))
		begin = max(begin, read-len(image)+1) // it may have been cut there
		for i := begin; i < end && body[i] != ']'; i++ {
			if body[i]|0x20 == image[0] && i+len(image) <= end && bytes.EqualFold(body[i:i+len(image)], []byte(image)) {
				return true
			}
			read = i + 1
		}
	}
	return false
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
