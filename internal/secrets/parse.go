package secrets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/plaintext"
)

// A Form says what the entries of a payload look like.
type Form[T any] struct {
	// Fields are the names that an object may have; their values are strings.
	Fields []string
	// Line makes an entry of a line, without blanks and quotes around it.
	Line func(text string) (T, error)
	// Object makes an entry of an object; values are without blanks around them.
	Object func(fields map[string]string) (T, error)
}

// Parse reads what a secret holds: an entry per line (blank lines and those
// that begin with # don't count), or a JSON array of objects with the form's
// fields. There may be no entry at all; a payload that is altogether blank is
// refused, because that is what a script leaves that has lost its variable. The
// error lists every entry that is wrong, by its position and never by its text,
// because all of the text is secret; those of the form must keep to that too.
func Parse[T any](data []byte, form Form[T]) ([]T, error) {
	data, err := plaintext.Read(data)
	if err != nil {
		return nil, err
	}
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0:
		return nil, fmt.Errorf("it is empty: want an entry on each line, or [%s]", form.example())
	case data[0] == '{':
		return nil, fmt.Errorf("it is a JSON object: want an array, [%s]", form.example())
	case data[0] == '[':
		return form.parseJSON(data)
	}
	return form.parseLines(string(data))
}

// example shows an object of the form.
func (f Form[T]) example() string {
	fields := make([]string, len(f.Fields))
	for i, name := range f.Fields {
		fields[i] = fmt.Sprintf(`"%s":"…"`, name)
	}
	return "{" + strings.Join(fields, ",") + "}"
}

func (f Form[T]) parseLines(text string) ([]T, error) {
	var entries []T
	var problems []error
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		e, err := f.Line(config.Unquote(line))
		entries = append(entries, e)
		if err != nil {
			problems = append(problems, fmt.Errorf("entry %d: %w", len(entries), err))
		}
	}
	return entries, errors.Join(problems...)
}

// parseJSON doesn't pass on the messages of encoding/json: they quote parts of
// the text.
func (f Form[T]) parseJSON(data []byte) ([]T, error) {
	var objects []map[string]json.RawMessage
	if err := json.Unmarshal(data, &objects); err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			return nil, fmt.Errorf("it is not valid JSON at byte %d: want an array, [%s]", syntax.Offset, f.example())
		case errors.As(err, &kind):
			return nil, fmt.Errorf("it is not a JSON array of %s at byte %d: want nothing else in it", f.example(), kind.Offset)
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, fmt.Errorf("it is JSON that ends too early: want an array, [%s]", f.example())
		}
		return nil, fmt.Errorf("it is not valid JSON: want an array, [%s]", f.example())
	}
	var problems []error
	entries := make([]T, len(objects))
	for i, object := range objects {
		e, err := f.parseObject(object)
		if err != nil {
			problems = append(problems, fmt.Errorf("entry %d: %w", i+1, err))
		}
		entries[i] = e
	}
	return entries, errors.Join(problems...)
}

func (f Form[T]) parseObject(object map[string]json.RawMessage) (none T, err error) {
	if len(object) == 0 {
		return none, fmt.Errorf("it is empty: want %s", f.example())
	}
	fields := make(map[string]string, len(object))
	for name, raw := range object {
		if !slices.Contains(f.Fields, name) {
			return none, fmt.Errorf("it has a field other than %s: want no other", strings.Join(f.Fields, " and "))
		}
		var value string
		if err := json.Unmarshal(raw, &value); err != nil {
			return none, fmt.Errorf("its %s is not a string: want it in quotes", name)
		}
		fields[name] = strings.TrimSpace(value)
	}
	return f.Object(fields)
}
