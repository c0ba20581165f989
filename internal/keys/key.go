package keys

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// A Key is one usable entry of the pool.
type Key struct {
	// Index is the public ID, from 1, in configured order. Indexes may have gaps.
	Index int
	// Value is what Gemini gets, or upstream.WithoutKey of the project. It never prints.
	Value config.Secret
	// Project is the declared project, or "key-" and Fingerprint when none is
	// declared. It is the ID under which quota is kept.
	Project string
	// Declared tells whether Project was declared.
	Declared bool
	// Billing is the declared billing account of the project; empty: not known.
	Billing string
	// Tier is the declared usage tier of the project; empty: not known.
	Tier string
	// Provider names whom the key is for; see upstream.Providers.
	Provider string
	// Fingerprint is the first 12 hexadecimal digits of the value's SHA-256.
	Fingerprint string
}

// WithoutKey reports whether the project is called without a key, by the program's own
// identity.
func (k Key) WithoutKey() bool {
	_, without := upstream.ProjectOf(k.Value.Reveal())
	return without
}

// Of names whom the key is for as that is told; empty: Gemini, of which nothing is said.
func (k Key) Of() string {
	if k.Provider == upstream.Gemini {
		return ""
	}
	return k.Provider
}

// Whose says of what stands before it whom it is for: " of openai"; of Gemini's nothing is said.
func (k Key) Whose() string {
	if k.Of() == "" {
		return ""
	}
	return " of " + k.Of()
}

// String returns the key as people refer to it: "key 3 (0a1b2c3d4e5f)".
func (k Key) String() string { return fmt.Sprintf("key %d (%s)", k.Index, k.Fingerprint) }

// LogValue implements [slog.LogValuer].
func (k Key) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("index", k.Index),
		slog.String("fingerprint", k.Fingerprint),
		slog.String("project", k.Project),
	)
}

// fingerprintOf returns the first 12 hexadecimal digits of the SHA-256 of a key.
// Keys are random enough that it gives nothing away.
func fingerprintOf(value config.Secret) string {
	sum := sha256.Sum256([]byte(value.Reveal()))
	return hex.EncodeToString(sum[:6])
}

// A Warning is something odd about the configured keys that didn't keep them
// from being used. It names indexes, never values.
type Warning struct {
	// Level is [slog.LevelError] when quota is probably kept for the wrong
	// project, otherwise [slog.LevelWarn].
	Level slog.Level
	Text  string
}

// String returns the text.
func (w Warning) String() string { return w.Text }

// A Source reads the list of keys from where they are configured. An error
// means that the list couldn't be read or isn't usable as a whole; it holds no
// key value. Without an error the list may still be empty.
type Source interface {
	Load(ctx context.Context) ([]Key, []Warning, error)
}

// An entry is a configured key before it is checked.
type entry struct {
	index   int
	value   config.Secret
	project string
	billing string
	tier    string
	// provider names whom it is for; empty: Gemini
	provider string
	where    string // for messages: "GEMINI_KEY_2", "secret …, entry 2"
}

// build checks the entries and makes keys of them. The first of two equal
// values stays. The error lists every entry that is wrong.
func build(entries []entry) ([]Key, []Warning, error) {
	var (
		list     []Key
		warnings []Warning
		problems []error
	)
	first := map[config.Secret]int{} // position in list
	for _, e := range entries {
		if err := e.check(); err != nil {
			problems = append(problems, err)
			continue
		}
		if at, seen := first[e.value]; seen && list[at].Provider != cmp.Or(e.provider, upstream.Gemini) {
			problems = append(problems, fmt.Errorf("key %d is the same as key %d, which is for another provider: want it for one", e.index, list[at].Index))
			continue
		} else if seen {
			warnings = append(warnings, duplicate(list[at], e))
			continue
		}
		key := Key{Index: e.index, Value: e.value, Project: e.project, Declared: e.project != "", Billing: e.billing, Tier: e.tier, Provider: cmp.Or(e.provider, upstream.Gemini), Fingerprint: fingerprintOf(e.value)}
		if !key.Declared {
			key.Project = "key-" + key.Fingerprint
		}
		first[e.value] = len(list)
		list = append(list, key)
	}
	if len(list) > config.MaxKeys {
		problems = append(problems, fmt.Errorf("%d keys: want at most %d", len(list), config.MaxKeys))
	}
	problems = append(problems, shared(list, "billing account", func(k *Key) *string { return &k.Billing })...)
	problems = append(problems, shared(list, "usage tier", func(k *Key) *string { return &k.Tier })...)
	problems = append(problems, shared(list, "provider", func(k *Key) *string { return &k.Provider })...) // or two organisations' quota would be one
	for _, key := range list {
		// A project's name is shown in public: a key in its place must not pass.
		if at, seen := first[config.NewSecret(key.Project)]; seen {
			problems = append(problems, fmt.Errorf("key %d declares as its project the value of key %d: want a name that is no secret", key.Index, list[at].Index))
		}
		if at, seen := first[config.NewSecret(key.Billing)]; seen {
			problems = append(problems, fmt.Errorf("key %d declares as its billing account the value of key %d: want a name that is no secret", key.Index, list[at].Index))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, nil, err
	}
	return list, warnings, nil
}

func (e entry) check() error {
	if _, without := upstream.ProjectOf(e.value.Reveal()); !without {
		if err := config.CheckKey(e.value); err != nil {
			return fmt.Errorf("%s: %w", e.where, err)
		}
	}
	if e.project != "" {
		if err := config.CheckProject(e.project); err != nil {
			return fmt.Errorf("%s: %w", e.where, err)
		}
	}
	if e.billing != "" {
		if err := config.CheckBilling(e.billing); err != nil {
			return fmt.Errorf("%s: %w", e.where, err)
		}
	}
	if e.tier != "" {
		if err := config.CheckTier(e.tier); err != nil {
			return fmt.Errorf("%s: %w", e.where, err)
		}
	}
	return nil
}

// shared gives every key of a project what one of them declares of it, and says where two
// declare different things.
func shared(list []Key, what string, field func(*Key) *string) (problems []error) {
	of := make(map[string]int, len(list)) // the key that declares it of a project
	for i := range list {
		key, declared := &list[i], *field(&list[i])
		at, seen := of[key.Project]
		switch {
		case declared == "":
		case !seen:
			of[key.Project] = i
		case *field(&list[at]) != declared:
			problems = append(problems, fmt.Errorf("key %d declares another %s of its project than key %d: want the same, or another project", key.Index, what, list[at].Index))
		}
	}
	for i := range list {
		if at, seen := of[list[i].Project]; seen {
			*field(&list[i]) = *field(&list[at])
		}
	}
	return problems
}

func duplicate(kept Key, dropped entry) Warning {
	if dropped.project == "" || kept.Declared && dropped.project == kept.Project {
		return Warning{slog.LevelWarn, fmt.Sprintf("key %d is the same as key %d: dropped", dropped.index, kept.Index)}
	}
	return Warning{slog.LevelError, fmt.Sprintf(
		"key %d is the same as key %d but declares another project: dropped, and what key %d says counts",
		dropped.index, kept.Index, kept.Index)}
}
