package payload

import (
	"bytes"
	"slices"
	"strings"
)

// The features of a request that have quotas of their own.
const (
	SearchFeature = "google_search" // grounding by search, in all its spellings
	URLFeature    = "url_context"
	MapsFeature   = "google_maps"
	ImageFeature  = "image_output"
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

// Features returns which features a body asks for, each once, in order. It reads any
// bytes, JSON or not, and rather finds too many than too few: every string that is a
// feature's name counts, wherever it stands. A name within a prompt's text doesn't,
// unless it is in quotes there.
func Features(body []byte) []string {
	body = unescapedNames(body)
	var found []string
	for _, x := range featureNames {
		if !slices.Contains(found, x.feature) && index(body, x.name, 0) >= 0 {
			found = append(found, x.feature)
		}
	}
	for _, name := range modalityNames {
		for at := index(body, name, 0); at >= 0; at = index(body, name, at+len(name)) {
			if wantsImages(body[at+len(name):]) && !slices.Contains(found, ImageFeature) {
				found = append(found, ImageFeature)
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
		quoted := (before == '"' || before == '\'') && after == before
		member := !wordByte(before) && bytes.HasPrefix(bytes.TrimLeft(body[end:min(len(body), end+maxGap)], " \t\r\n"), []byte(":"))
		if quoted || member {
			return at
		}
		from = end
	}
	return -1
}

// maxGap bounds the white space that is looked over.
const maxGap = 64

func wordByte(b byte) bool {
	return b == '_' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// wantsImages reports whether the list after a member's name has the image modality.
func wantsImages(rest []byte) bool {
	rest = rest[:min(len(rest), 256)]
	if end := bytes.IndexByte(rest, ']'); end >= 0 {
		rest = rest[:end]
	}
	return bytes.Contains(bytes.ToUpper(rest), []byte("IMAGE"))
}

// unescapedNames returns a body with the escapes of ASCII letters resolved that a name may
// be written with.
func unescapedNames(body []byte) []byte {
	if !bytes.Contains(body, []byte(`\u00`)) {
		return body
	}
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' || i+1 >= len(body) {
			out = append(out, body[i])
			continue
		}
		if b, ok := escapedASCII(body[i:]); ok {
			out = append(out, b)
			i += 5
			continue
		}
		out = append(out, body[i], body[i+1])
		i++
	}
	return out
}

// escapedASCII reads an escape of a character that names have.
func escapedASCII(text []byte) (byte, bool) {
	const digits = "0123456789abcdef"
	if len(text) < 6 || string(text[1:4]) != "u00" {
		return 0, false
	}
	lower := bytes.ToLower(text[4:6])
	high, low := strings.IndexByte(digits, lower[0]), strings.IndexByte(digits, lower[1])
	if high < 0 || low < 0 {
		return 0, false
	}
	b := byte(high<<4 | low)
	return b, wordByte(b)
}
