package credentials

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// State is what the service thinks of an API key.
type State int

// States of a key, each with the status that a request with it gets.
const (
	Healthy     State = iota // requests are served
	Invalid                  // 400 API_KEY_INVALID, like a key that was never issued
	Expired                  // 400 API_KEY_INVALID, "API key expired"
	Leaked                   // 403, reported as leaked
	Suspended                // 403 CONSUMER_SUSPENDED; the body echoes the whole key
	Blocked                  // 403 API_KEY_SERVICE_BLOCKED, restricted to other APIs
	DisabledAPI              // 403 SERVICE_DISABLED, the API is off in the project
)

// Key is an API key that the simulator knows. Formatting it never prints the
// value.
type Key struct {
	Value   string `json:"-"`
	Project string // keys with the same project share quota; empty: a project of its own
	State   State
}

// ProjectID returns the project that the key's quota belongs to: Project, or
// "key-" and the fingerprint when that is empty. It is what a project is
// called everywhere else.
func (k Key) ProjectID() string {
	if k.Project != "" {
		return k.Project
	}
	return "key-" + Fingerprint(k.Value)
}

// String identifies the key by its fingerprint.
func (k Key) String() string {
	return fmt.Sprintf("key %s of project %s", Fingerprint(k.Value), k.ProjectID())
}

// Format prints String for every verb: without it %#v and %d would show the value.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue keeps the value out of structured logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Fingerprint returns the first 12 hexadecimal digits of the SHA-256 of a key
// value: enough to tell keys apart in a log, useless for anything else.
func Fingerprint(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:6])
}
