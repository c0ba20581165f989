package geminisim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// KeyState is what the service thinks of an API key.
type KeyState int

// States of a key, each with the status that a request with it gets.
const (
	KeyHealthy     KeyState = iota // requests are served
	KeyInvalid                     // 400 API_KEY_INVALID, like a key that was never issued
	KeyExpired                     // 400 API_KEY_INVALID, "API key expired"
	KeyLeaked                      // 403, reported as leaked
	KeySuspended                   // 403 CONSUMER_SUSPENDED; the body echoes the whole key
	KeyBlocked                     // 403 API_KEY_SERVICE_BLOCKED, restricted to other APIs
	KeyDisabledAPI                 // 403 SERVICE_DISABLED, the API is off in the project
)

// Key is an API key that the simulator knows. Formatting it never prints the
// value.
type Key struct {
	Value   string `json:"-"`
	Project string // keys with the same project share quota; empty: a project of its own
	State   KeyState
}

// ProjectID returns the project that the key's quota belongs to: Project, or
// "key-" and the fingerprint when that is empty. It is what [Entry].Project
// says and what [Server.Peak] and [Server.SetLimits] take.
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

// identity is what is remembered of a key. The value itself isn't, so a
// printed Server holds none.
type identity struct {
	project     string
	fingerprint string
	state       KeyState
}

func (s *Server) addKey(k Key) {
	s.keys[sha256.Sum256([]byte(k.Value))] = identity{
		project:     k.ProjectID(),
		fingerprint: Fingerprint(k.Value),
		state:       k.State,
	}
}

// SetKeyState changes the state of a key. A value that the server hasn't seen
// becomes a key that is a project of its own.
func (s *Server) SetKeyState(value string, st KeyState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := sha256.Sum256([]byte(value))
	id, ok := s.keys[sum]
	if !ok {
		s.addKey(Key{Value: value, State: st})
		return
	}
	id.state = st
	s.keys[sum] = id
}

// lookup returns what is known of a key value.
func (s *Server) lookup(value string) (identity, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.keys[sha256.Sum256([]byte(value))]
	return id, ok
}

// authenticate takes the key from the one place where it may be.
func (c *call) authenticate() *wire.Error {
	switch len(c.credentials) {
	case 0:
		return errNoKey()
	case 1:
	default:
		return errManyCredentials()
	}
	p := c.credentials[0]
	// The native routes expect an OAuth token in Authorization.
	if p.Form == FormAuthorization || p.Form == FormBearer && !c.openai {
		return errBearer()
	}
	who, known := c.s.lookup(p.value)
	if !known {
		c.who.fingerprint = p.Fingerprint
		return errKeyState(KeyInvalid, "", "", "")
	}
	c.who = who
	return errKeyState(who.state, p.value, who.project, c.op.rpc(c.version))
}
