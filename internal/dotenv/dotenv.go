package dotenv

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/joho/godotenv"

	"fluxgate.dev/fluxgate/internal/plaintext"
)

// maxDotEnv is the largest .env file that is read, in bytes.
const maxDotEnv = 256 << 10

// Load adds the variables of the .env file at path to the environment of
// the process. A variable that is set there already stays as it is, even when
// it is empty; empty ones in the file are left out, so that libraries that ask
// only whether a variable exists aren't misled. It reports whether there is
// such a file; that there is none is not an error. It may be UTF-16; see [plaintext.Read].
//
// It changes the process environment because the Firestore client reads its
// own variables there. The deployed function never calls it.
func Load(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open the .env file: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(f, maxDotEnv+1))
	if err != nil {
		return false, fmt.Errorf("read the .env file: %w", err)
	}
	if len(text) > maxDotEnv {
		return false, fmt.Errorf("read %s: larger than %d bytes: want lines of NAME=value", path, maxDotEnv)
	}
	if text, err = plaintext.Read(text); err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	vars, err := godotenv.UnmarshalBytes(text)
	if _, nameless := vars[""]; err != nil || nameless {
		// The parser's message quotes the rest of the file, keys included.
		return false, fmt.Errorf("read %s: line %d isn't NAME=value, or a quote isn't closed: mend it, or leave it out", path, badLine(text))
	}
	for name, value := range vars {
		if _, set := os.LookupEnv(name); set || value == "" {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			// Setenv names the variable and what is wrong with it, not the value.
			return false, fmt.Errorf("read %s: %w", path, err)
		}
	}
	return true, nil
}

// badLine finds the line, from 1, at which a text that doesn't parse goes
// wrong: the one after the longest run of whole lines that does parse. (From
// the end, because a value in quotes may span lines.)
func badLine(text []byte) int {
	lines := bytes.SplitAfter(text, []byte("\n"))
	for n := len(lines) - 1; n > 0; n-- {
		vars, err := godotenv.UnmarshalBytes(bytes.Join(lines[:n], nil))
		if _, nameless := vars[""]; err == nil && !nameless {
			return n + 1
		}
	}
	return 1
}
