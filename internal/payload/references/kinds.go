package references

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// What a request may refer to by an ID begins with its kind here.
const (
	Files        = "files/"
	Items        = "items/" // what a response or a conversation consists of, and files in a container
	VectorStores = "vector_stores/"
	Containers   = "containers/"
	Responses    = "responses/" // which a request compares itself with; what it goes on from, package completion reads
)

// members name something: by one ID, a list of them, or objects that have them for their ids. Their names stand
// here as [spelt] returns them.
// https://platform.openai.com/docs/guides/pdf-files, /docs/guides/tools-file-search,
// /docs/guides/tools-code-interpreter, /docs/guides/prompt-caching, /docs/api-reference/batch/create,
// https://docs.claude.com/en/docs/build-with-claude/files, /docs/en/agents-and-tools/tool-use/code-execution-tool
var members = map[string]string{
	"fileid": Files, "fileids": Files, "inputfileid": Files, "vectorstoreid": VectorStores, "vectorstoreids": VectorStores,
	"containerid": Containers, "container": Containers, "comparisonresponseid": Responses,
}

// Kind returns what a member of that name refers to by IDs, such as Files; "" is nothing. Endpoints
// that are written in Go take any case, and some take names without underscores.
func Kind(member []byte) string {
	var room [20]byte
	return members[string(spelt(room[:0], member))]
}

// spelt appends a name in small letters and without underscores, if it isn't longer than those of members.
func spelt(out, name []byte) []byte {
	for len(name) > 0 {
		r, size := rune(name[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(name)
			r = unicode.ToUpper(r) // there are letters with two small ones
		}
		if name = name[size:]; r == '_' {
			continue
		}
		if r = unicode.ToLower(r); r >= utf8.RuneSelf || len(out) == cap(out) {
			return nil
		}
		out = append(out, byte(r))
	}
	return out
}

// withinContainer begins the IDs of files that lie in a container, whose is whose that is.
// https://platform.openai.com/docs/api-reference/container-files
const withinContainer = "cfile_"

// Named returns what an ID names that a member of a kind has: of a file in a container it is a part of that, as an
// item is of a response.
func Named(kind, id string) string { return kindOf(kind, []byte(id)) + id }

// kindOf returns the kind that an ID names that a member of a kind has.
func kindOf(kind string, id []byte) string {
	if kind == Files && bytes.HasPrefix(id, []byte(withinContainer)) {
		return Items
	}
	return kind
}

// annotations are what an answer cites, and come back with it: a file in a container beside that container, by
// which it is known whose it is.
const annotations = "annotations"
