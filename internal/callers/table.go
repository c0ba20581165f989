package callers

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/secrets"
)

// A tokenSource is where the tokens of one role come from: from the configuration, or
// from secrets.
type tokenSource struct {
	entries []config.TokenEntry
	names   []string // of secrets
	admin   bool
}

// A table is the tokens in use. It is never changed.
type table struct {
	entries  []entry
	disabled []string // secrets whose version is disabled
}

// An entry is a token, of which only the digest is kept.
type entry struct {
	digest [sha256.Size]byte
	name   string
	admin  bool
}

// caller returns whose token it is.
func (e *entry) caller() Caller { return Caller{Name: e.name, Admin: e.admin, token: e} }

// proof returns what [Caller.Proof] does.
func (e *entry) proof(sign func(text string) string) string {
	const length = 12 // characters of base64: 72 bits
	signed := sign("token:" + hex.EncodeToString(e.digest[:]))
	return signed[:min(length, len(signed))]
}

// Len implements [secrets.List].
func (t table) Len() int { return len(t.entries) }

// newTable checks the entries of all lists together and makes a table of them.
func newTable(lists []tokenSource) (table, error) {
	var t table
	var all []config.TokenEntry
	for _, l := range lists {
		all = append(all, l.entries...)
		for _, e := range l.entries {
			t.entries = append(t.entries, entry{sha256.Sum256([]byte(e.Token.Reveal())), e.Name, l.admin})
		}
	}
	if err := config.CheckTokens(all); err != nil {
		return table{}, err
	}
	return t, nil
}

// find returns the entry with a digest. It compares all of them, so that the
// time it takes tells nothing about where a match is or how near one was.
func (t table) find(digest [sha256.Size]byte, compare func(a, b []byte) int) (*entry, bool) {
	found := 0 // position, from 1
	for i := range t.entries {
		equal := compare(digest[:], t.entries[i].digest[:])
		found = subtle.ConstantTimeSelect(equal, i+1, found)
	}
	if found == 0 {
		return nil, false
	}
	return &t.entries[found-1], true
}

// form is that of a secret that holds tokens.
var form = secrets.Form[config.TokenEntry]{
	Fields: []string{"name", "token"},
	Line:   config.ParseToken,
	Object: func(fields map[string]string) (config.TokenEntry, error) {
		return config.TokenEntry{Name: fields["name"], Token: config.NewSecret(fields["token"])}, nil
	},
}

// load reads what is in secrets and makes a table of it and of the rest. It
// fails when any secret can't be read or is malformed.
func load(ctx context.Context, client secrets.Accessor, given []tokenSource) (table, error) {
	var names []string
	for _, l := range given {
		names = append(names, l.names...)
	}
	type payload struct {
		entries  []config.TokenEntry
		disabled bool
	}
	payloads, err := secrets.ReadAll(names, func(name string) (payload, error) {
		data, err := secrets.Read(ctx, client, name)
		if errors.Is(err, secrets.ErrDisabled) {
			// Somebody has taken these tokens back. Others must not suffer from it.
			return payload{disabled: true}, nil
		}
		if err != nil {
			return payload{}, err
		}
		entries, err := secrets.Parse(data, form)
		for i := range entries {
			entries[i].Where = fmt.Sprintf("%s, entry %d", name, i+1)
		}
		return payload{entries: entries}, err
	})
	if err != nil {
		return table{}, err
	}
	lists := slices.Clone(given)
	var disabled []string
	for i := range lists {
		lists[i].entries = slices.Clone(lists[i].entries)
		for _, name := range lists[i].names {
			lists[i].entries = append(lists[i].entries, payloads[0].entries...)
			if payloads[0].disabled {
				disabled = append(disabled, name)
			}
			payloads = payloads[1:]
		}
	}
	t, err := newTable(lists)
	if err != nil {
		return table{}, err
	}
	t.disabled = disabled
	return t, nil
}

// report logs what is new, by names.
func (a *Authenticator) report(ctx context.Context, old table, had bool, now table) {
	before, after := old.byName(), now.byName()
	var added, removed, changed []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		was, there := before[name]
		switch {
		case !there:
			added = append(added, name)
		case !maps.Equal(was, after[name]):
			changed = append(changed, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, there := after[name]; !there {
			removed = append(removed, name)
		}
	}
	switch {
	case !had:
		a.log.InfoContext(ctx, "tokens loaded", "tokens", len(now.entries), "callers", len(after))
	case len(added)+len(removed)+len(changed) > 0:
		a.log.InfoContext(ctx, "the tokens have changed",
			"tokens", len(now.entries), "added", added, "removed", removed, "changed", changed)
	}
	for _, name := range now.disabled {
		if !slices.Contains(old.disabled, name) {
			a.log.WarnContext(ctx, "the version of a secret is disabled or destroyed: its tokens are not accepted", "secret", name)
		}
	}
}

// byName returns the entries as sets, one for each name.
func (t table) byName() map[string]map[entry]bool {
	sets := map[string]map[entry]bool{}
	for _, e := range t.entries {
		if sets[e.name] == nil {
			sets[e.name] = map[entry]bool{}
		}
		sets[e.name][e] = true
	}
	return sets
}
