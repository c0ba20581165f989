package keys

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sort"
	"sync/atomic"

	"fluxgate.dev/fluxgate/internal/secrets"
)

// Options tune a [Pool]. The zero value of every field means its default.
type Options = secrets.Options

// A Pool is the list of keys, read again when it is older than its TTL or when
// a key turned out to be invalid. When reading fails it goes on with the list
// it has, however old: a revoked key is refused upstream anyway.
//
// It starts no goroutine of its own accord; a reading lasts at most
// Options.Timeout and outlives the request that caused it. It is safe for use
// by any number of goroutines.
type Pool struct {
	cache *secrets.Cache[list]
	log   *slog.Logger

	tiers    atomic.Pointer[map[string]string] // of the last list
	retiered atomic.Pointer[func()]
}

// A list is never changed once it is read.
type list struct {
	keys     []Key
	warnings []Warning
}

// Len implements [secrets.List].
func (l list) Len() int { return len(l.keys) }

// NewPool returns a pool over src. It reads nothing yet.
func NewPool(src Source, opts Options) *Pool {
	opts = opts.WithDefaults()
	p := &Pool{log: opts.Logger}
	p.cache = secrets.NewCache(secrets.Source[list]{
		Name: "keys",
		Load: func(ctx context.Context) (list, error) {
			keys, warnings, err := src.Load(ctx)
			sort.SliceStable(keys, func(i, j int) bool { return keys[i].Index < keys[j].Index })
			return list{keys, warnings}, err
		},
		Changed: p.report,
	}, opts)
	return p
}

// Keys returns the keys by rising Index, after reading them again when that is
// due. It fails only while there never was a list: with the error of the
// source, or of ctx when that ends first. The slice is shared and never changed.
func (p *Pool) Keys(ctx context.Context) ([]Key, error) {
	l, err := p.cache.Get(ctx)
	return l.keys, err
}

// Warnings returns what is odd about the keys as they were read last: such as two that are one.
func (p *Pool) Warnings(ctx context.Context) []Warning {
	l, err := p.cache.Get(ctx)
	if err != nil {
		return nil
	}
	return l.warnings
}

// Reload reads the keys again because one turned out to be invalid: it may
// have been rotated. Within MinReload of the last reading it does nothing. It
// returns the list as it is then, with the same errors as Keys. The reason is
// logged; it must hold no key.
func (p *Pool) Reload(ctx context.Context, reason string) ([]Key, error) {
	l, err := p.cache.Reload(ctx, reason)
	return l.keys, err
}

// Tiers returns the usage tiers that keys declare, by project, as of the list that was read
// last. It is shared and never changed.
func (p *Pool) Tiers() map[string]string {
	if tiers := p.tiers.Load(); tiers != nil {
		return *tiers
	}
	return nil
}

// OnTiers has a function called whenever a list has other tiers than the one before.
func (p *Pool) OnTiers(f func()) { p.retiered.Store(&f) }

// classify keeps the tiers of a list.
func (p *Pool) classify(l list) {
	tiers := make(map[string]string)
	for _, k := range l.keys {
		if k.Tier != "" {
			tiers[k.Project] = k.Tier
		}
	}
	if maps.Equal(p.Tiers(), tiers) {
		return
	}
	p.tiers.Store(&tiers)
	if f := p.retiered.Load(); f != nil {
		(*f)()
	}
}

// report keeps the tiers, and logs what is new: the same warning every few minutes says nothing.
func (p *Pool) report(ctx context.Context, old list, had bool, now list) {
	p.classify(now)
	if !had {
		p.log.InfoContext(ctx, "keys loaded", "keys", len(now.keys))
	} else if added, removed, changed := diff(old.keys, now.keys); len(added)+len(removed)+len(changed) > 0 {
		p.log.InfoContext(ctx, "the list of keys has changed",
			"keys", len(now.keys), "added", added, "removed", removed, "changed", changed)
	}
	for _, w := range now.warnings {
		if !slices.Contains(old.warnings, w) {
			p.log.Log(ctx, w.Level, w.Text)
		}
	}
}

// diff compares two lists by index: a key is changed when its value or its
// project is another.
func diff(old, new []Key) (added, removed, changed []int) {
	before := make(map[int]Key, len(old))
	for _, k := range old {
		before[k.Index] = k
	}
	for _, k := range new {
		was, there := before[k.Index]
		switch {
		case !there:
			added = append(added, k.Index)
		case was != k:
			changed = append(changed, k.Index)
		}
		delete(before, k.Index)
	}
	for index := range before {
		removed = append(removed, index)
	}
	slices.Sort(removed)
	return added, removed, changed
}
