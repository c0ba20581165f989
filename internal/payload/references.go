package payload

import (
	"bytes"
	"errors"
	"fmt"
)

// References are what a body says that matters for where it may go and how it is
// sized, whatever else it holds.
type References struct {
	Media     bool     // something other than text
	Stores    bool     // a search of stores, whatever else it is of
	Resources []string // files/…, cachedContents/… and fileSearchStores/… that belong to a project, each once

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

// ErrTooDeep means that a body nests deeper than Gemini reads.
var ErrTooDeep = invalid("body", "it is nested deeper than any request is.")

var (
	errTooDeep     = errors.New("nested too deeply")
	errNotAnObject = errors.New("not an object")
)

// ReadReferences walks a JSON body without building it in memory. It fails where
// the body isn't one JSON object, or with ErrManyResources.
func ReadReferences(body []byte) (*References, error) {
	dec, err := newLexer(body)
	if err != nil {
		return nil, err
	}
	if dec.next().kind != '{' {
		return nil, errNotAnObject
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
	mime   []byte // the last mimeType of the object that is being walked, as far as it matters
	hidden int    // how many opaque members are around

	resources names

	key    []byte // the last that was looked at
	refers bool   // a member of that name may refer to something
}

// object walks the members of an object whose brace was read, the value of a
// member of that name.
func (w *walker) object(of []byte, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	if w.dec.leaves() {
		return nil
	}
	outer := w.mime
	w.mime = nil
	var data int64
	for w.dec.more() {
		name := w.dec.next()
		key := name.name()
		if w.hidden > 0 {
			w.m.texts += name.size() // it was made up by the caller
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
	w.mime = outer
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
		w.mime = text.start()
		return false
	case "data":
		w.m.Media = true
		return true
	case "fileUri", "file_uri", "cachedContent", "cached_content", "file_id":
		w.m.Media = true
		w.resources.addText(text)
		return false
	case "url", "file_data":
		if rest, ok := bytes.CutPrefix(text.start(), []byte("data:")); ok {
			w.mime, _, _ = bytes.Cut(rest, []byte(";"))
			w.m.Media = true
			return true
		}
		w.refer(key, text)
		if string(of) == "image_url" {
			w.m.Media = true
			w.m.images++
			return false
		}
	default:
		w.refer(key, text)
	}
	w.m.texts += text.size()
	return false
}

// refer notes what a string refers to if its member is one that may.
func (w *walker) refer(key []byte, text token) {
	before := len(w.resources.list)
	if w.key == nil || !bytes.Equal(key, w.key) {
		w.key, w.refers = key, refers(key)
	}
	switch {
	case !w.refers || text.nameless():
		return
	case mayBeOnDisk(key):
		w.resources.add(ResourceName(string(text.meaning())))
	default:
		w.resources.addText(text)
	}
	w.m.Media = w.m.Media || areMedia(w.resources.list[before:])
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
	switch first.kind {
	case '{', '[':
	default:
		return nil
	}
	if opaque(key) {
		w.hidden++
		defer func() { w.hidden-- }()
	}
	if first.kind == '{' {
		return w.object(key, depth+1)
	}
	if depth >= maxDepth {
		return errTooDeep
	}
	for w.dec.more() {
		next := w.dec.next()
		if next.kind == '"' {
			if w.hidden == 0 {
				w.refer(key, next)
			}
			w.m.texts += next.size()
			continue
		}
		if err := w.value(key, next, depth+1); err != nil {
			return err
		}
	}
	w.dec.next()
	return nil
}
