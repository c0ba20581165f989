package payload

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// References are what a body says that matters for where it may go and how it is
// sized, whatever else it holds.
type References struct {
	Media     bool     // something other than text
	Stores    bool     // stores for file search, which belong to a project and aren't known here
	Resources []string // files/… and cachedContents/… that belong to a project, each once

	texts     int64 // bytes of string values
	images    int64
	documents int64 // bytes of inline data that is no image
}

// maxDepth bounds how deep a body may nest. Gemini's own bound is near 100.
const maxDepth = 200

// maxResources bounds how many resources a body may name. Google takes 3600 images in
// a request.
const maxResources = 4096

// ErrManyResources means that a body names more than that.
var ErrManyResources = invalid("body", fmt.Sprintf("it names more than %d files and cached contents. Send fewer in one request.", maxResources))

var errTooDeep = errors.New("nested too deeply")

// ReadReferences walks a JSON body without building it in memory. It fails where
// the body isn't one JSON object, or with ErrManyResources.
func ReadReferences(body []byte) (*References, error) {
	dec, err := newLexer(body)
	if err != nil {
		return nil, err
	}
	if dec.next().kind != '{' {
		return nil, errors.New("not an object")
	}
	w := walker{dec: dec, m: new(References)}
	if err := w.object(nil, 1); err != nil {
		return nil, err
	}
	w.m.Resources = w.resources.list
	return w.m, w.resources.err()
}

// opaque reports whether a member of that name holds what callers make up, such as
// arguments and schemas of their functions. Names in there mean nothing to upstream.
func opaque(key []byte) bool {
	switch string(key) {
	case "args", "parameters", "parametersJsonSchema", "parameters_json_schema", "response",
		"responseSchema", "response_schema", "responseJsonSchema", "response_json_schema",
		"response_format", "metadata":
		return true
	}
	return false
}

// searchesStores reports whether a member of that name has stores searched.
func searchesStores(key []byte) bool {
	switch string(key) {
	case "fileSearch", "file_search", "fileSearchStoreNames", "file_search_store_names":
		return true
	}
	return false
}

type walker struct {
	dec    lexer
	m      *References
	mime   []byte // the last mimeType of the object that is being walked
	hidden int    // how many opaque members are around

	resources names
}

// names are names in the order in which they came, each once, and at most one more
// than maxResources.
type names struct {
	list []string
	seen map[string]bool
}

// add adds a name, unless it is empty.
func (n *names) add(name string) {
	if name == "" || n.seen[name] || n.err() != nil {
		return
	}
	if n.seen == nil {
		n.seen = make(map[string]bool)
	}
	n.seen[name] = true
	n.list = append(n.list, name)
}

// err returns ErrManyResources if there are too many.
func (n *names) err() error {
	if len(n.list) > maxResources {
		return ErrManyResources
	}
	return nil
}

// object walks the members of an object whose brace was read, the value of a
// member of that name.
func (w *walker) object(of []byte, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	outer := w.mime
	w.mime = nil
	defer func() { w.mime = outer }()
	var data int64
	for w.dec.more() {
		key := w.dec.next().meaning()
		if w.hidden > 0 {
			w.m.texts += int64(len(key)) // a name that the caller made up
		} else if searchesStores(key) {
			w.m.Stores = true
		}
		value := w.dec.next()
		if value.kind == '"' {
			if w.text(of, key, value) {
				data += value.size() * 3 / 4
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
	w.dec.next()
	return nil
}

// text notes a string member, and reports whether it is inline data.
func (w *walker) text(of, key []byte, text token) (data bool) {
	if w.hidden > 0 {
		w.m.texts += text.size()
		return false
	}
	switch string(key) {
	case "mimeType", "mime_type":
		w.mime = text.meaning()
		return false
	case "data":
		w.m.Media = true
		return true
	case "fileUri", "file_uri", "cachedContent", "cached_content", "file_id":
		w.m.Media = true
		w.resources.add(ResourceName(string(text.meaning())))
		return false
	case "url", "file_data":
		if rest, ok := bytes.CutPrefix(text.meaning(), []byte("data:")); ok {
			w.mime, _, _ = bytes.Cut(rest, []byte(";"))
			w.m.Media = true
			return true
		}
		if string(of) == "image_url" {
			w.m.Media = true
			w.m.images++
			return false
		}
	}
	w.m.texts += text.size()
	return false
}

func (w *walker) inline(data int64) {
	if bytes.HasPrefix(w.mime, []byte("image/")) {
		w.m.images++
		return
	}
	w.m.documents += data
}

// value walks the value of a member of that name, whose first token was read.
func (w *walker) value(key []byte, first token, depth int) error {
	if opaque(key) {
		w.hidden++
		defer func() { w.hidden-- }()
	}
	switch first.kind {
	case '{':
		return w.object(key, depth+1)
	case '[':
		if depth >= maxDepth {
			return errTooDeep
		}
		for w.dec.more() {
			next := w.dec.next()
			if next.kind == '"' {
				w.m.texts += next.size()
				continue
			}
			if err := w.value(key, next, depth+1); err != nil {
				return err
			}
		}
		w.dec.next()
	}
	return nil
}

// resourceKinds begin the names of what belongs to a project.
var resourceKinds = []string{"files/", "cachedContents/"}

// mentionsResource reports whether a text may be a name of one.
func mentionsResource(text []byte) bool {
	return slices.ContainsFunc(resourceKinds, func(kind string) bool { return bytes.Contains(text, []byte(kind)) })
}

// maxResourceID bounds what follows, in bytes.
const maxResourceID = 128

// ResourceName returns the name of the project's resource that a URI or name by which
// upstream refers to it means, or "" for anything else. Files elsewhere may be
// mentioned too, by URLs that need no project.
func ResourceName(text string) string {
	if end := strings.IndexAny(text, "?#"); end >= 0 {
		if strings.Contains(text[end:], "\n") {
			return ""
		}
		text = text[:end]
	}
	id := strings.LastIndexByte(text, '/') + 1
	if n := len(text) - id; n < 1 || n > maxResourceID {
		return ""
	}
	for _, kind := range resourceKinds {
		before, ok := strings.CutSuffix(text[:id], kind)
		if !ok || before != "" && !isVersionURL(before) {
			continue
		}
		for i := id; i < len(text); i++ {
			if !idByte(text[i]) {
				return ""
			}
		}
		return text[len(before):]
	}
	return ""
}

// isVersionURL reports whether a text is the URL of a version of the API, with a
// slash at its end.
func isVersionURL(text string) bool {
	rest, ok := strings.CutPrefix(text, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(text, "http://")
	}
	rest, slash := strings.CutSuffix(rest, "/")
	host := strings.LastIndexByte(rest, '/')
	return ok && slash && host > 0 && rest[0] != '/' && isVersion(rest[host+1:])
}

// isVersion reports whether a text is a version of the API, such as v1beta.
func isVersion(text string) bool {
	if len(text) < 2 || text[0] != 'v' || text[1] < '0' || text[1] > '9' {
		return false
	}
	for i := 2; i < len(text); i++ {
		if !versionByte(text[i]) {
			return false
		}
	}
	return true
}

func versionByte(b byte) bool { return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' }

func idByte(b byte) bool { return b == '-' || wordByte(b) }

// ValidResource reports whether an ID is one that upstream gives out: it becomes
// part of a path.
func ValidResource(id string) bool { return ResourceName("files/"+id) == "files/"+id }
