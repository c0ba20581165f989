package payload

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	return w.m, w.resources.err()
}

// opaqueMembers are those that hold what callers make up, such as arguments and
// schemas of their functions. Names in there mean nothing to upstream.
var opaqueMembers = []string{
	"args", "parameters", "parametersJsonSchema", "parameters_json_schema", "response",
	"responseSchema", "response_schema", "responseJsonSchema", "response_json_schema",
	"response_format", "metadata",
}

// storeMembers are those that have stores searched.
var storeMembers = []string{"fileSearch", "file_search", "fileSearchStoreNames", "file_search_store_names"}

type walker struct {
	dec    *lexer
	m      *References
	mime   string // the last mimeType of the object that is being walked
	hidden int    // how many opaque members are around

	resources names
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
		} else if slices.Contains(storeMembers, key) {
			w.m.Stores = true
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
		w.resources.addReference(text)
		return false
	case "url", "file_data":
		if rest, ok := strings.CutPrefix(text, "data:"); ok {
			w.mime, _, _ = strings.Cut(rest, ";")
			w.m.Media = true
			return true
		}
		w.refer(key, text)
		if of == "image_url" {
			w.m.Media = true
			w.m.images++
			return false
		}
	default:
		w.refer(key, text)
	}
	w.m.texts += int64(len(text))
	return false
}

// refer notes what a string refers to if its member is one that may.
func (w *walker) refer(key, text string) {
	before := len(w.resources.list)
	switch {
	case !refers(key):
		return
	case strings.Contains(strings.ToLower(key), "name"):
		w.resources.add(ResourceName(text)) // or the name of a file on the caller's disk
	default:
		w.resources.addReference(text)
	}
	w.m.Media = w.m.Media || len(w.resources.list) > before
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
				if w.hidden == 0 {
					w.refer(key, text)
				}
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
