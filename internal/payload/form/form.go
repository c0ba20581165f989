package form

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload"
)

// mediaType is that of forms that are read here.
const mediaType = "multipart/form-data"

// Is reports whether a body of this type, which is that of the Content-Type header, is a form.
func Is(contentType string) bool {
	kind, _, _ := mime.ParseMediaType(contentType)
	return kind == mediaType
}

// A Form is what of one matters here. Its text passes as it is.
type Form struct {
	Model      string // without "models/"
	Stream     bool   // the answer is to come in pieces
	References *payload.References

	text     []byte
	boundary []byte // as it stands before every part but the first
	model    []byte // as it stands in the form
	at       int    // which of the parts has it
}

// Rename returns the form with another name in the place of its model's. It fails with ErrForm
// where it isn't certain where that stands.
func (f *Form) Rename(model string) (*payload.Rope, error) {
	if model == f.Model {
		return payload.RopeOf(f.text), nil
	}
	from := 0 // of the part
	for range f.at {
		next := bytes.Index(f.text[from:], f.boundary)
		if next < 0 {
			return nil, ErrForm
		}
		from += next + len(f.boundary)
	}
	value := slices.Concat([]byte("\r\n\r\n"), f.model, f.boundary)
	begin := bytes.Index(f.text[from:], []byte("\r\n\r\n"))
	if begin < 0 || !bytes.HasPrefix(f.text[from+begin:], value) {
		return nil, ErrForm
	}
	begin += from + len("\r\n\r\n")
	rope := payload.RopeOf(f.text[:begin])
	rope.AddString(model)
	rope.Add(f.text[begin+len(f.model):])
	return rope, nil
}

// The bounds of a form. OpenAI's have about ten fields.
const (
	maxFields = 256
	maxModel  = 1 << 10 // bytes
)

// ErrForm means that a body isn't a form of which it is certain what upstream reads in it.
var ErrForm = errors.New("want a form, multipart/form-data, as the SDKs send it, with one model")

// Read reads a form of that Content-Type. It has to name its model once: upstream might take
// either. Whatever of its texts looks like the name of a file counts, and so does what is
// around them; what is in a file of its own doesn't. It fails with ErrForm, or with
// payload.ErrManyResources.
func Read(text []byte, contentType string) (*Form, error) {
	fields, boundary, err := read(text, contentType)
	if err != nil {
		return nil, err
	}
	out, models, files := &Form{text: text, boundary: []byte("\r\n" + boundary)}, 0, false
	var texts []string
	for at, f := range fields {
		isModel := payload.Spells([]byte(f.name), "model")
		if f.isFile {
			files = true
			if isModel {
				return nil, ErrForm
			}
			continue
		}
		texts = append(texts, string(f.value))
		if isModel {
			if models++; models > 1 || len(f.value) > maxModel {
				return nil, ErrForm
			}
			out.Model, out.model, out.at = strings.TrimPrefix(string(f.value), "models/"), f.value, at
		}
		out.Stream = out.Stream || f.name == "stream" && string(f.value) == "true"
	}
	if models == 0 {
		return nil, ErrForm
	}
	// As a member that refers to things, so that every text counts.
	body, err := json.Marshal(map[string][]string{"uri": texts})
	if err != nil {
		return nil, ErrForm
	}
	if out.References, err = payload.ReadReferences(body); err != nil {
		return nil, err
	}
	out.References.Media = out.References.Media || files
	return out, nil
}

// Fields returns the fields of a form of that Content-Type as a JSON object of lists of texts, without its files. It
// fails with ErrForm.
func Fields(text []byte, contentType string) ([]byte, error) {
	fields, _, err := read(text, contentType)
	if err != nil {
		return nil, err
	}
	texts := make(map[string][]string)
	for _, f := range fields {
		if !f.isFile {
			name, _, _ := strings.Cut(f.name, "[") // of lists
			texts[name] = append(texts[name], string(f.value))
		}
	}
	return json.Marshal(texts)
}

// A field is a part of a form.
type field struct {
	name   string
	isFile bool
	value  []byte // of what is no file
}

// read reads the fields of a form in their order.
func read(text []byte, contentType string) (fields []field, boundary string, err error) {
	_, parameters, err := mime.ParseMediaType(contentType)
	boundary = "--" + parameters["boundary"]
	// Nothing is to stand before the first part or behind the last, where another reader might
	// find one.
	if err != nil || boundary == "--" || !bytes.HasPrefix(text, []byte(boundary)) || !bytes.HasSuffix(bytes.TrimRight(text, "\r\n"), []byte(boundary+"--")) {
		return nil, "", ErrForm
	}
	parts := multipart.NewReader(bytes.NewReader(text), parameters["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return fields, boundary, nil
		}
		// Of two names of a part another reader might take the last.
		if err != nil || len(fields) == maxFields || part.FormName() == "" || len(part.Header["Content-Disposition"]) > 1 || part.Header.Get("Content-Transfer-Encoding") != "" {
			return nil, "", ErrForm
		}
		f := field{name: part.FormName(), isFile: part.FileName() != ""}
		if !f.isFile {
			if f.value, err = io.ReadAll(part); err != nil {
				return nil, "", ErrForm
			}
		}
		fields = append(fields, f)
	}
}
