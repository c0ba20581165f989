package config

import (
	"fmt"
	"io"
	"log/slog"
	"unique"
)

const redacted = "[redacted]"

// A Secret is a string that prints as "[redacted]" with every fmt verb, in
// JSON, text and slog. Its text is behind a pointer, because fmt doesn't call
// the methods of a value that it finds in an unexported field of another
// package: a plain string type would print there.
//
// Secrets of equal text are equal with ==. The zero Secret is empty.
type Secret struct {
	text unique.Handle[string]
}

// NewSecret returns a Secret that holds s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{text: unique.Make(s)}
}

// Reveal returns the text. Whoever calls it answers for where the text goes.
func (s Secret) Reveal() string {
	if s.Empty() {
		return ""
	}
	return s.text.Value()
}

// Empty reports whether there is no text.
func (s Secret) Empty() bool { return s == Secret{} }

// String implements [fmt.Stringer].
func (Secret) String() string { return redacted }

// GoString implements [fmt.GoStringer].
func (Secret) GoString() string { return redacted }

// Format implements [fmt.Formatter], so that no verb reaches the text.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements [encoding.TextMarshaler].
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON implements [encoding/json.Marshaler].
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
