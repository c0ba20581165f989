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
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return Trouble(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errSeveral
	}
	return nil
}

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
	case '{':
	case 'n':
		return nil
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
		name := string(t.next().meaning())
		if err := f(name, t.value()); err != nil {
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
	var value json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&value); err != nil {
		return Trouble(err)
	}
	return errSeveral
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

// unknownField is the error for a member that doesn't exist. A name that may be
// anything but a name isn't repeated.
func unknownField(name string) error {
	if !plainField.MatchString(name) {
		return errUnknownField
	}
	return invalid(name, "there is no such field.")
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
	// encoding/json has no type for it.
	if rest, ok := strings.CutPrefix(err.Error(), `json: unknown field "`); ok {
		return unknownField(strings.TrimSuffix(rest, `"`))
	}
	return errUnknownField
}
