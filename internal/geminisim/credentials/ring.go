package credentials

import (
	"crypto/sha256"
	"sync"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// An Identity is what is remembered of a key. The value itself isn't, so a
// printed Server holds none.
type Identity struct {
	Project     string
	Fingerprint string
	state       State
}

// A Ring knows the keys that exist. It is safe for concurrent use.
type Ring struct {
	mu   sync.Mutex
	keys map[[sha256.Size]byte]Identity
}

// NewRing returns a ring of keys. Of two with the same value the last one wins.
func NewRing(keys []Key) *Ring {
	r := &Ring{keys: make(map[[sha256.Size]byte]Identity)}
	for _, k := range keys {
		r.add(k)
	}
	return r
}

func (r *Ring) add(k Key) {
	r.keys[sha256.Sum256([]byte(k.Value))] = Identity{
		Project:     k.ProjectID(),
		Fingerprint: Fingerprint(k.Value),
		state:       k.State,
	}
}

// SetState changes the state of a key. A value that wasn't seen before becomes
// a key that is a project of its own.
func (r *Ring) SetState(value string, st State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := sha256.Sum256([]byte(value))
	id, ok := r.keys[sum]
	if !ok {
		r.add(Key{Value: value, State: st})
		return
	}
	id.state = st
	r.keys[sum] = id
}

// lookup returns what is known of a key value.
func (r *Ring) lookup(value string) (Identity, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, ok := r.keys[sha256.Sum256([]byte(value))]
	return id, ok
}

// Admit returns whose a key is, or the refusal of one that may not call a
// method; of one that isn't known, its fingerprint alone.
func (r *Ring) Admit(value, method string) (Identity, *wire.Error) {
	id, known := r.lookup(value)
	if !known {
		return Identity{Fingerprint: Fingerprint(value)}, errKeyState(Invalid, "", "", "")
	}
	return id, errKeyState(id.state, value, id.Project, method)
}

// Authenticate takes the key from the one place where it may be. The native
// routes expect an OAuth token in Authorization, OpenAI's a key.
func (r *Ring) Authenticate(found []Presented, openai bool, method string) (Identity, *wire.Error) {
	switch len(found) {
	case 0:
		return Identity{}, errNoKey()
	case 1:
	default:
		return Identity{}, errManyCredentials()
	}
	p := found[0]
	if p.Form == FormAuthorization || p.Form == FormBearer && !openai {
		return Identity{}, errBearer()
	}
	return r.Admit(p.value, method)
}
