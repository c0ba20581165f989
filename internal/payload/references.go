package payload

import (
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
)

// References are what a body says that matters for where it may go and how it is
// sized, whatever else it holds.
type References struct {
	Media     bool     // something other than text
	Resources []string // files/… and cachedContents/… that belong to a project, each once

	texts     int64 // bytes of string values
	images    int64
	documents int64 // bytes of inline data that is no image
}

// maxDepth bounds how deep a body may nest. Gemini's own bound is near 100.
const maxDepth = 200

var errTooDeep = errors.New("nested too deeply")

// ReadReferences walks a JSON body without building it in memory. It fails where
// the body isn't one JSON object.
func ReadReferences(body []byte) (*References, error) {
	dec, err := newLexer(body)
	if err != nil {
		return nil, err
	}
	first, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if first != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	w := walker{dec: dec, m: new(References)}
	if err := w.object("", 1); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	w.m.Resources = w.resources.list
	return w.m, nil
}

// opaqueMembers are those that hold what callers make up, such as arguments and
// schemas of their functions. Names in there mean nothing to upstream.
var opaqueMembers = []string{
	"args", "parameters", "parametersJsonSchema", "parameters_json_schema", "response",
	"responseSchema", "response_schema", "responseJsonSchema", "response_json_schema",
	"response_format", "metadata",
}

type walker struct {
	dec    *lexer
	m      *References
	mime   string // the last mimeType of the object that is being walked
	hidden int    // how many opaque members are around

	resources names
}

// names are names in the order in which they came, each once.
type names struct {
	list []string
	seen map[string]bool
}

// add adds a name, unless it is empty.
func (n *names) add(name string) {
	if name == "" || n.seen[name] {
		return
	}
	if n.seen == nil {
		n.seen = make(map[string]bool)
	}
	n.seen[name] = true
	n.list = append(n.list, name)
}

// object walks the members of an object whose brace was read, the value of a
// member of that name.
func (w *walker) object(of string, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	outer := w.mime
	w.mime = ""
	defer func() { w.mime = outer }()
	var data int64
	for w.dec.More() {
		name, err := w.dec.Token()
		if err != nil {
			return err
		}
		key, _ := name.(string)
		if w.hidden > 0 {
			w.m.texts += int64(len(key)) // a name that the caller made up
		}
		value, err := w.dec.Token()
		if err != nil {
			return err
		}
		if text, ok := value.(string); ok {
			if w.text(of, key, text) {
				data += int64(len(text)) * 3 / 4
			}
			continue
		}
		if err := w.value(key, value, depth); err != nil {
			return err
		}
	}
	if data > 0 {
		w.inline(data)
	}
	_, err := w.dec.Token()
	return err
}

// text notes a string member, and reports whether it is inline data.
func (w *walker) text(of, key, text string) (data bool) {
	if w.hidden > 0 {
		w.m.texts += int64(len(text))
		return false
	}
	switch key {
	case "mimeType", "mime_type":
		w.mime = text
		return false
	case "data":
		w.m.Media = true
		return true
	case "fileUri", "file_uri", "cachedContent", "cached_content", "file_id":
		w.m.Media = true
		w.resources.add(ResourceName(text))
		return false
	case "url", "file_data":
		if rest, ok := strings.CutPrefix(text, "data:"); ok {
			w.mime, _, _ = strings.Cut(rest, ";")
			w.m.Media = true
			return true
		}
		if of == "image_url" {
			w.m.Media = true
			w.m.images++
			return false
		}
	}
	w.m.texts += int64(len(text))
	return false
}

func (w *walker) inline(data int64) {
	if strings.HasPrefix(w.mime, "image/") {
		w.m.images++
		return
	}
	w.m.documents += data
}

// value walks the value of a member of that name, whose first token was read.
func (w *walker) value(key string, first json.Token, depth int) error {
	if slices.Contains(opaqueMembers, key) {
		w.hidden++
		defer func() { w.hidden-- }()
	}
	switch first {
	case json.Delim('{'):
		return w.object(key, depth+1)
	case json.Delim('['):
		if depth >= maxDepth {
			return errTooDeep
		}
		for w.dec.More() {
			next, err := w.dec.Token()
			if err != nil {
				return err
			}
			if text, ok := next.(string); ok {
				w.m.texts += int64(len(text))
				continue
			}
			if err := w.value(key, next, depth+1); err != nil {
				return err
			}
		}
		_, err := w.dec.Token()
		return err
	}
	return nil
}

// ownResource matches the names and URIs by which upstream refers to what
// belongs to a project. Files elsewhere may be mentioned too, by URLs that need
// no project.
var ownResource = regexp.MustCompile(`^(?:https?://[^/?#]+(?:/[^?#]*)?/v[0-9][a-z0-9]*/)?((?:files|cachedContents)/[A-Za-z0-9_-]{1,128})(?:[?#].*)?$`)

// ResourceName returns the name of the project's resource that a URI or name
// means, or "" for anything else, such as a URI elsewhere.
func ResourceName(text string) string {
	if m := ownResource.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// ValidResource reports whether an ID is one that upstream gives out: it becomes
// part of a path.
func ValidResource(id string) bool { return ResourceName("files/"+id) == "files/"+id }
