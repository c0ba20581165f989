package remote

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// A Token is a credential that can't be printed by accident.
type Token string

// Format keeps the token out of every fmt verb.
func (t Token) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, t.redacted()) }

// LogValue keeps the token out of slog.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.redacted()) }

// MarshalText keeps the token out of encoders.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.redacted()), nil }

func (t Token) redacted() string {
	if t == "" {
		return ""
	}
	return "REDACTED"
}

// check keeps out what no header can carry. net/http would refuse it too, but only when the first request is made.
func (t Token) check() error {
	if strings.ContainsFunc(string(t), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("has a blank, a line break or a character outside ASCII: want it as it was given out")
	}
	return nil
}

// maxTokenFile is the size of a token file that is surely not one, in bytes.
const maxTokenFile = 16 << 10

// ReadTokenFile reads a token from a file that holds nothing else but blanks around it.
func ReadTokenFile(name string) (Token, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("token file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return "", fmt.Errorf("token file: %w", err)
	}
	t := Token(strings.TrimSpace(string(data)))
	switch {
	case len(data) > maxTokenFile:
		return "", fmt.Errorf("token file: %s: larger than %d bytes: want the token alone", name, maxTokenFile)
	case t == "":
		return "", fmt.Errorf("token file: %s: empty: want the token in it", name)
	case t.check() != nil:
		return "", fmt.Errorf("token file: %s: the token %w", name, t.check())
	}
	return t, nil
}
