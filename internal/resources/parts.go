package resources

import (
	"crypto/sha256"
	"encoding/base64"
	"iter"
	"slices"
	"strings"
)

// Requests may name what is within a thing by its ID alone, as they do items of responses. There may be
// many, so no record has an entry for each: the thing's own entry has a short hash of each of their names.

// A part is the hash of one name. Another name with the same hash is taken for it: that is of use only to a caller that
// knows one which is in the same project.
type part string

const (
	partLen  = 8 // characters: of 48 bits of a hash
	maxParts = 64
)

func partOf(name string) part {
	sum := sha256.Sum256([]byte(name))
	return part(base64.RawURLEncoding.EncodeToString(sum[:partLen*6/8]))
}

// parts are some, one behind the other.
type parts string

func (p parts) all() iter.Seq[part] {
	return func(yield func(part) bool) {
		for ; len(p) >= partLen; p = p[partLen:] {
			if !yield(part(p[:partLen])) {
				return
			}
		}
	}
}

// with returns them and those of more names, the last maxParts.
func (p parts) with(names []string) parts {
	have := slices.Collect(p.all())
	for _, name := range names {
		if x := partOf(name); !slices.Contains(have, x) {
			have = append(have, x)
		}
	}
	var b strings.Builder
	for _, x := range have[max(0, len(have)-maxParts):] {
		b.WriteString(string(x))
	}
	return parts(b.String())
}

// IsPart reports whether a name is of what has no entry of its own: openai:items/msg_1.
func IsPart(name string) bool {
	_, rest, other := strings.Cut(name, ":")
	return other && strings.HasPrefix(rest, partKind)
}

const partKind = "items/"
