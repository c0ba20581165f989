package mentions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/escape"
)

// Files begins the names of files.
const Files = "files/"

// members name files: by one ID, or a list of them.
// https://platform.openai.com/docs/guides/pdf-files, /docs/api-reference/batch/create,
// https://docs.claude.com/en/docs/build-with-claude/files
var members = []string{"file_id", "file_ids", "input_file_id"}

// NamesFile reports whether a member of that name names files by their IDs.
func NamesFile(member string) bool { return slices.Contains(members, member) }

// free are members whose values are the caller's own, in which any name means what the caller
// wants: what tools are called with, schemas of that, and notes.
var free = map[bool][]string{
	false: {"arguments", "metadata", "parameters", "schema"},
	true:  {"input", "input_schema", "metadata"}, // of Anthropic; OpenAI's input is what is said
}

// Most is how many files a request may refer to.
const Most = 512

// ErrMany means that it refers to more.
var ErrMany = &payload.FieldError{Field: "body", Text: fmt.Sprintf("it names more than %d files. Send fewer in one request.", Most)}

// Read returns the files that a body in valid JSON refers to, as files/ and their IDs, each once,
// and whether it refers to an item of an earlier response. It fails with ErrMany.
func Read(body []byte, anthropic bool) (files []string, items bool, err error) {
	if !bytes.Contains(body, []byte("file_id")) && !bytes.Contains(body, []byte("item_reference")) && !bytes.Contains(body, []byte(`\u`)) {
		return nil, false, nil // the names have no letter that could be escaped otherwise
	}
	r := reader{skip: free[anthropic]}
	err = r.read(body)
	return r.files, r.items, err
}

type reader struct {
	skip  []string
	files []string
	items bool
}

// read reads a text to its end. Since it is valid JSON, a string before a colon is a member's
// name, wherever it stands: nothing is read over and over, however deep it is.
func (r *reader) read(text []byte) error {
	for at := 0; at < len(text); {
		quote := bytes.IndexByte(text[at:], '"')
		if quote < 0 {
			return nil
		}
		begin := at + quote
		at = escape.StringEnd(text, begin)
		behind := bytes.TrimLeft(text[at:], space)
		if len(behind) == 0 || behind[0] != ':' {
			continue
		}
		name, value := nameOf(text[begin:at]), bytes.TrimLeft(behind[1:], space)
		at = len(text) - len(value)
		switch {
		case slices.Contains(r.skip, name):
			at += len(payload.FirstValue(value))
		case NamesFile(name):
			if err := r.named(value); err != nil {
				return err
			}
		case name == "type" && len(value) > 0 && value[0] == '"':
			r.items = r.items || nameOf(value[:escape.StringEnd(value, 0)]) == "item_reference"
		}
	}
	return nil
}

// named notes the files of a member's value: a string, or those that a list begins with.
func (r *reader) named(value []byte) error {
	list := bytes.HasPrefix(value, []byte("["))
	if list {
		value = bytes.TrimLeft(value[1:], space)
	}
	for len(value) > 0 && value[0] == '"' {
		end := escape.StringEnd(value, 0)
		id := nameOf(value[:end])
		if id == "" && end > len(`""`) {
			id = unreadable
		}
		if err := r.add(id); err != nil || !list {
			return err
		}
		value = bytes.TrimLeft(value[end:], space+",")
	}
	return nil
}

// add notes a file by its ID.
func (r *reader) add(id string) error {
	if id == "" || slices.Contains(r.files, Files+id) {
		return nil
	}
	if len(r.files) == Most {
		return ErrMany
	}
	r.files = append(r.files, Files+id)
	return nil
}

// unreadable stands for an ID that is none, so that it is nobody's.
const unreadable = "?"

const space = " \t\r\n"

// maxName is how long a name or an ID is at most, in bytes, with its quotes.
const maxName = 1 << 10

// nameOf returns the string that a text is; "" for what is too long for a name.
func nameOf(quoted []byte) (name string) {
	if len(quoted) > maxName || json.Unmarshal(quoted, &name) != nil {
		return ""
	}
	return name
}
