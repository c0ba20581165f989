package references

import (
	"fmt"

	"fluxgate.dev/fluxgate/internal/payload"
)

// free are members whose values are the caller's own, in which any name means what the caller
// wants: what tools are called with, schemas of that, and notes.
var free = map[bool][]string{
	false: {"arguments", "metadata", "parameters", "schema"},
	true:  {"input", "input_schema", "metadata"}, // of Anthropic; OpenAI's input is what is said
}

// Most is how many things a request may refer to.
const Most = 4096

// ErrMany means that it refers to more.
var ErrMany = &payload.FieldError{Field: "body", Text: fmt.Sprintf("it names more than %d files and other things that are kept. Send fewer in one request.", Most)}

// Read returns what a body in valid JSON refers to, each by its kind and its ID, once, such as
// files/file-1. It fails with ErrMany.
func Read(body []byte, anthropic bool) (names []string, err error) {
	r := reader{skip: free[anthropic]}
	if err = r.read(body); err == nil && !anthropic {
		err = r.items(body)
	}
	return r.names, err
}
