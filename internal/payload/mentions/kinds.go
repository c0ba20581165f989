package mentions

import "bytes"

// What a request may refer to by an ID begins with its kind here.
const (
	Files        = "files/"
	Items        = "items/" // what a response or a conversation consists of, and files in a container
	VectorStores = "vector_stores/"
	Containers   = "containers/"
)

// members name something: by one ID, or a list of them.
// https://platform.openai.com/docs/guides/pdf-files, /docs/guides/tools-file-search,
// /docs/guides/tools-code-interpreter, /docs/api-reference/batch/create,
// https://docs.claude.com/en/docs/build-with-claude/files, /docs/en/agents-and-tools/tool-use/code-execution-tool
var members = map[string]string{
	"file_id": Files, "file_ids": Files, "input_file_id": Files, "vector_store_id": VectorStores, "vector_store_ids": VectorStores,
	"container_id": Containers, "container": Containers,
}

// Kind returns what a member of that name refers to by IDs, such as Files; "" is nothing.
func Kind(member string) string { return members[member] }

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
