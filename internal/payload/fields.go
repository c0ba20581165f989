package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"

	"fluxgate.dev/fluxgate/internal/nearest"
)

// A FieldError says which field of a body the caller got wrong, and what is
// wanted. It never repeats what the field holds.
type FieldError struct{ Field, Text string }

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Text }

func invalid(field, text string) error { return &FieldError{field, text} }

// ErrNotObject means that a body isn't one JSON object.
var ErrNotObject = invalid("body", "want one JSON object.")

// Decode decodes one JSON object with the fields of v and no others. It fails
// with a *FieldError: the decoder's own errors may quote the body, which is not
// for the log, so they are put in other words.
func Decode(body []byte, v any) error {
	if len(body) > maxFields {
		return errLong
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		// encoding/json has no type for it.
		if rest, ok := strings.CutPrefix(err.Error(), `json: unknown field "`); ok {
			return UnknownField(strings.TrimSuffix(rest, `"`), fieldsOf(v))
		}
		return Trouble(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errSeveral
	}
	return nil
}

// maxFields bounds a body that is decoded as a whole, in bytes.
const maxFields = 1 << 20

var errLong = invalid("body", "it is longer than all that it may hold.")

var errSeveral = invalid("body", "it holds more than one JSON value.")

// Members calls f for each member of a JSON object with its value as it stands in
// the body, in order. A body of null has none. It fails with f's error, or with a
// *FieldError if the body isn't one JSON object.
func Members(body []byte, f func(name string, value []byte) error) error {
	t, err := newLexer(body)
	if err != nil {
		return malformed(body)
	}
	switch t.next().kind {
	case 'n':
		return nil
	case '{':
	case '[':
		return wrongKind("array")
	case '"':
		return wrongKind("string")
	case 't', 'f':
		return wrongKind("bool")
	default:
		return wrongKind("number")
	}
	for t.more() {
		name := t.next().name()
		if err := f(string(name[:min(len(name), maxName)]), t.value()); err != nil {
			return err
		}
	}
	return nil
}

func wrongKind(kind string) error {
	return invalid("body", "want a JSON object, not a JSON "+kind+".")
}

// malformed says what is wrong with a body that isn't JSON.
func malformed(body []byte) error {
	err := json.Unmarshal(body, new(json.RawMessage)) // which finds out before it copies anything
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		switch text := syntax.Error(); {
		case text == "unexpected end of JSON input":
			err = io.ErrUnexpectedEOF
		case strings.HasSuffix(text, "after top-level value"):
			return errSeveral
		}
	}
	return Trouble(err)
}

// decodeString notes a string, or null for none, without decoding or copying it.
func decodeString(name string, value []byte, quoted *[]byte) error {
	switch value[0] {
	case '"':
		*quoted = value
	case 'n':
	default:
		return invalid(name, wantedKinds[reflect.String])
	}
	return nil
}

// decodeName is decodeField for what names something, which isn't long.
func decodeName(name string, value []byte, to *string) error {
	if len(value) > maxName {
		return invalid(name, "that is too long.")
	}
	return decodeField(name, value, to)
}

// decodeField decodes the value of a field.
func decodeField(name string, value []byte, v any) error {
	err := json.Unmarshal(value, v)
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field == "" {
		return invalid(name, wantedKinds[kind.Type.Kind()])
	}
	if err != nil {
		return Trouble(err)
	}
	return nil
}

// UnknownField is the *FieldError for a member that doesn't exist beside those that do. A
// name that may be anything but a name isn't repeated.
func UnknownField(name string, known []string) error {
	if !plainField.MatchString(name) {
		return errUnknownField
	}
	if meant := nearest.Word(name, known); meant != "" {
		return invalid(name, "there is no such field. Did you mean "+meant+"?")
	}
	return invalid(name, "there is no such field. There are "+strings.Join(known, ", ")+".")
}

// fieldsOf returns the names of the fields that a struct is decoded from.
func fieldsOf(v any) (names []string) {
	t := reflect.TypeOf(v)
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return nil
	}
	for i := range t.Elem().NumField() {
		name, _, _ := strings.Cut(t.Elem().Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

var errUnknownField = invalid("body", "it has a field that doesn't exist here.")

var (
	plainField  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)
	wantedKinds = map[reflect.Kind]string{
		reflect.String: "want a string.", reflect.Slice: "want a list of strings.", reflect.Bool: "want true or false.",
		reflect.Int: "want a whole number.", reflect.Int64: "want a whole number.", reflect.Float64: "want a number.",
		reflect.Struct: "want a JSON object.", reflect.Map: "want a JSON object.",
	}
)

// Trouble says what is wrong with a JSON body that encoding/json refused, without
// repeating it.
func Trouble(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return invalid("body", "it ends too early.")
	case errors.As(err, &syntax):
		return invalid("body", fmt.Sprintf("malformed JSON at byte %d.", syntax.Offset))
	case errors.As(err, &kind) && kind.Field == "":
		what, _, _ := strings.Cut(kind.Value, " ")
		return wrongKind(what)
	case errors.As(err, &kind):
		return invalid(kind.Field, wantedKinds[kind.Type.Kind()])
	}
	return errUnknownField
}
