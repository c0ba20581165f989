package ephemeral

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// Prefix begins the name of every token.
const Prefix = "auth_tokens/"

// The reasons for which a token isn't taken, or minted.
var (
	ErrUnknown = errors.New("the token wasn't minted here, or has expired")
	ErrUsedUp  = errors.New("the token is used up, or no new session may begin with it any more")
	ErrFull    = errors.New("too many tokens are good at the same time")
)

// A Token is what is kept of one.
type Token struct {
	Caller  string    // for whom it was made
	Project string    // whose sessions it opens
	Model   string    // that it is for; empty: any
	Begins  time.Time // until when new sessions may begin
	Until   time.Time // until when it is good at all
	Left    int       // how many sessions may begin; negative: any number
	// Proof is of the caller's own token, by which it was made, as package callers makes one;
	// empty: it had none, or a build made it that kept none.
	Proof string
}

// stored is how a token is written.
type stored struct {
	Caller  string `json:"c"`
	Project string `json:"p"`
	Model   string `json:"m,omitempty"`
	Begins  int64  `json:"b"` // Unix seconds
	Until   int64  `json:"u"` // the same
	Left    int    `json:"n"`
}

// Records is the part of a store that a Registry is kept in.
type Records interface {
	Record(ctx context.Context, name string) ([]byte, error)
	UpdateRecord(ctx context.Context, name string, change func(data []byte) ([]byte, error)) ([]byte, error)
}

// A Registry knows the tokens. It is safe for use by any number of goroutines.
type Registry struct {
	records Records
	now     func() time.Time // of the store
}

// New returns the registry over the records of a store.
func New(records Records, now func() time.Time) *Registry { return &Registry{records, now} }

// shards is how many records there are. It may not change: tokens lie by it.
const shards = 16

// maxTokens bounds how many a record has, and those of one caller in it.
const (
	maxTokens  = 800
	maxCallers = maxTokens / 2
)

// place returns where a token lies: the name of the record, and of the token in it.
func place(token string) (lies, name string) {
	sum := sha256.Sum256([]byte(token))
	return fmt.Sprintf("tokens-%x", sum[0]%shards), hex.EncodeToString(sum[:16])
}

// The members of a record that are read. Others are kept, which a build from before proofs
// does with those.
const (
	tokensMember = "tokens"
	proofsMember = "proofs"
)

// A record is what one holds.
type record struct {
	tokens map[string]stored
	proofs map[string]string          // by the names of their tokens
	all    map[string]json.RawMessage // its members
}

// read reads a record without what has expired.
func read(data []byte, now time.Time) (*record, error) {
	r := &record{make(map[string]stored), make(map[string]string), make(map[string]json.RawMessage)}
	if len(data) == 0 {
		return r, nil
	}
	err := json.Unmarshal(data, &r.all)
	for member, into := range map[string]any{tokensMember: &r.tokens, proofsMember: &r.proofs} {
		if err == nil && r.all[member] != nil {
			err = json.Unmarshal(r.all[member], into)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ephemeral tokens: %w", err)
	}
	maps.DeleteFunc(r.tokens, func(_ string, t stored) bool { return t.Until <= now.Unix() })
	maps.DeleteFunc(r.proofs, func(name, _ string) bool { return r.tokens[name] == stored{} })
	return r, nil
}

// change changes a record.
func (r *Registry) change(ctx context.Context, name string, do func(*record) error) error {
	_, err := r.records.UpdateRecord(ctx, name, func(data []byte) ([]byte, error) {
		x, err := read(data, r.now())
		if err != nil {
			return nil, err
		}
		if err := do(x); err != nil {
			return nil, err
		}
		if x.all[tokensMember], err = json.Marshal(x.tokens); err != nil {
			return nil, err
		}
		if x.all[proofsMember], err = json.Marshal(x.proofs); err != nil {
			return nil, err
		}
		return json.Marshal(x.all)
	})
	return err
}

// Minted notes a token. It fails with ErrFull, or with what the store says; then it isn't
// known, and nobody is to be given it.
func (r *Registry) Minted(ctx context.Context, token string, t Token) error {
	if !strings.HasPrefix(token, Prefix) {
		return fmt.Errorf("ephemeral tokens: one has another name than %s…", Prefix)
	}
	lies, name := place(token)
	return r.change(ctx, lies, func(x *record) error {
		own := 0
		for _, s := range x.tokens {
			if s.Caller == t.Caller {
				own++
			}
		}
		if len(x.tokens) >= maxTokens || own >= maxCallers {
			return ErrFull
		}
		x.tokens[name] = stored{t.Caller, t.Project, t.Model, t.Begins.Unix(), t.Until.Unix(), t.Left}
		if t.Proof != "" {
			x.proofs[name] = t.Proof
		}
		return nil
	})
}

// Find returns a token that is good. It fails with ErrUnknown, or with what the store says.
func (r *Registry) Find(ctx context.Context, token string) (Token, error) {
	if !strings.HasPrefix(token, Prefix) {
		return Token{}, ErrUnknown
	}
	lies, name := place(token)
	data, err := r.records.Record(ctx, lies)
	if err != nil {
		return Token{}, err
	}
	x, err := read(data, r.now())
	if err != nil {
		return Token{}, err
	}
	t, ok := x.tokens[name]
	if !ok {
		return Token{}, ErrUnknown
	}
	return Token{t.Caller, t.Project, t.Model, time.Unix(t.Begins, 0), time.Unix(t.Until, 0), t.Left, x.proofs[name]}, nil
}

// MayBegin says why no new session may begin with a token now; nil: one may. To resume one
// isn't to begin it.
func (r *Registry) MayBegin(t Token) error {
	if t.Left == 0 || !r.now().Before(t.Begins) {
		return ErrUsedUp
	}
	return nil
}

// Begun notes that a session has begun with a token.
func (r *Registry) Begun(ctx context.Context, token string) error {
	lies, name := place(token)
	return r.change(ctx, lies, func(x *record) error {
		if t, ok := x.tokens[name]; ok && t.Left > 0 {
			t.Left--
			x.tokens[name] = t
		}
		return nil
	})
}
