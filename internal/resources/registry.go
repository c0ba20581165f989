package resources

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sort"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Caller is on whose behalf resources are made and used.
type Caller struct {
	Name string // public
	All  bool   // it may use everybody's: an administrator
}

// Options are what a Registry works with. All but Shared are required.
type Options struct {
	Records Records
	// Now tells the time of the store.
	Now    func() time.Time
	Logger *slog.Logger
	// Shared has every caller use everything. Who made what is kept all the same.
	Shared bool
	// Prefix begins the names of the records. Default: "resources".
	Prefix string
}

// A Registry knows whose resources are. It is safe for use by any number of goroutines.
// Nil is that of a deployment whose callers aren't told apart: everybody's are
// everybody's.
type Registry struct {
	now    func() time.Time
	log    *slog.Logger
	shared bool
	shards [shards]*shard
}

// New returns the registry over the records of a store.
func New(o Options) *Registry {
	r := &Registry{now: o.Now, log: o.Logger, shared: o.Shared}
	for i := range r.shards {
		r.shards[i] = newShard(cmp.Or(o.Prefix, "resources"), i, o.Records)
	}
	return r
}

// Of returns the registry of a deployment whose callers are told apart, or else nil.
func Of(toldApart bool, o Options) *Registry {
	if !toldApart {
		return nil
	}
	return New(o)
}

// MaxAge is how old this instance's knowledge of what is a caller's may be.
const MaxAge = 10 * time.Second

// writeTimeout bounds what is written, whatever becomes of the caller: it was made.
const writeTimeout = 10 * time.Second

// Confines reports whether a caller may use its own only.
func (r *Registry) Confines(c Caller) bool { return r != nil && !r.shared && !c.All }

// Find returns those of the names that are a caller's, by name. An error is the store's.
func (r *Registry) Find(ctx context.Context, caller string, names []string) (map[string]Resource, error) {
	return r.find(ctx, caller, "", names, MaxAge)
}

// FindIn is Find for what lies in a project.
func (r *Registry) FindIn(ctx context.Context, caller, project string, names []string) (map[string]Resource, error) {
	return r.find(ctx, caller, project, names, MaxAge)
}

// FindNow is FindIn by what is kept now: what another instance has written a moment ago is known. ""
// is any project.
func (r *Registry) FindNow(ctx context.Context, caller, project string, names []string) (map[string]Resource, error) {
	return r.find(ctx, caller, project, names, 0)
}

// A since says how old what is known may be.
type since struct {
	at  time.Time // of this instance
	now int64     // of the store, in Unix seconds
}

// find is FindIn by what is at most so old.
func (r *Registry) find(ctx context.Context, caller, project string, names []string, age time.Duration) (map[string]Resource, error) {
	asked := since{time.Now(), r.now().Unix()}
	older := since{asked.at.Add(-age), asked.now}
	var by [shards][]string
	var parts []string
	for _, name := range names {
		if IsPart(name) {
			parts = append(parts, name)
			continue
		}
		n := shardOf(name)
		by[n] = append(by[n], name)
	}
	found := make([]map[string]Resource, shards)
	used := func(n int) bool { return len(by[n]) > 0 }
	err := r.each(ctx, used, func(ctx context.Context, n int, s *shard) error {
		d, err := s.since(ctx, older.at, asked.now)
		if err != nil {
			return err
		}
		if found[n] = own(d, caller, project, by[n], asked.now); len(found[n]) == len(by[n]) {
			return nil
		}
		if d, err = s.since(ctx, asked.at, asked.now); err != nil {
			return err
		}
		found[n] = own(d, caller, project, by[n], asked.now)
		return nil
	})
	all := make(map[string]Resource, len(names))
	for _, some := range found {
		maps.Copy(all, some)
	}
	if err == nil {
		err = r.findParts(ctx, caller, project, parts, older, all)
	}
	parts = slices.DeleteFunc(parts, func(name string) bool { _, ok := all[name]; return ok })
	if err == nil {
		err = r.findParts(ctx, caller, project, parts, asked, all)
	}
	if err != nil {
		return nil, fmt.Errorf("whose resources: %w", err)
	}
	return all, nil
}

// FindParts returns where those of the names are that are of parts, whosever these are, by name. What isn't known isn't
// among it.
func (r *Registry) FindParts(ctx context.Context, names []string) map[string]Resource {
	if r == nil {
		return nil
	}
	parts := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !IsPart(name) })
	has, _ := r.find(ctx, "", "", parts, MaxAge) // then none is known
	return has
}

// findParts adds to what is found those of the names that are parts of what is a caller's, or, for the caller "",
// anybody's, in a project or in any. Where they are isn't known by their names, so all records are looked at.
func (r *Registry) findParts(ctx context.Context, caller, within string, names []string, s since, found map[string]Resource) error {
	if len(names) == 0 {
		return nil
	}
	sought := make(map[string]part, len(names))
	for _, name := range names {
		sought[name] = partOf(name)
	}
	var some [shards]map[string]Resource
	err := r.each(ctx, func(int) bool { return true }, func(ctx context.Context, n int, shard *shard) error {
		d, err := shard.since(ctx, s.at, s.now)
		if err != nil {
			return err
		}
		some[n] = make(map[string]Resource)
		for name, part := range sought {
			for _, at := range d.wholes[part] {
				if e := d.entries[at]; (caller == "" || e.caller == caller) && !e.over(s.now) && (within == "" || within == at.project) {
					some[n][name] = Resource{Name: name, Project: at.project}
				}
			}
		}
		return nil
	})
	for _, x := range some {
		maps.Copy(found, x)
	}
	return err
}

// own returns those of the names in a document that are a caller's, in a project or in any. Of
// several by one name it is the one that lasts longest.
func own(d *document, caller, within string, names []string, now int64) map[string]Resource {
	found := make(map[string]Resource)
	for _, name := range names {
		for _, project := range d.projects[name] {
			at := place{name, project}
			if e := d.entries[at]; e.caller == caller && !e.over(now) && (within == "" || within == project) {
				if other, ok := found[name]; !ok || e.resource(at).Compare(other) < 0 {
					found[name] = e.resource(at)
				}
			}
		}
	}
	return found
}

func (e entry) resource(at place) Resource {
	r := Resource{Name: at.name, Project: at.project, Note: e.note, parts: e.parts}
	if e.until != 0 {
		r.Expires = time.Unix(e.until, 0)
	}
	if e.made != 0 {
		r.made = time.Unix(e.made, 0)
	}
	return r
}

// Own returns all of some kinds that are a caller's, of Gemini's or another provider's
// (openai:files), those that last longest first: of files these are the youngest. The order is
// the same for whoever goes on in the list later. An error is the store's.
func (r *Registry) Own(ctx context.Context, caller string, kinds ...string) ([]Resource, error) {
	asked := time.Now()
	now := r.now().Unix()
	var found [shards][]Resource
	err := r.each(ctx, func(int) bool { return true }, func(ctx context.Context, n int, s *shard) error {
		d, err := s.since(ctx, asked, now)
		if err != nil {
			return err
		}
		for at, e := range d.entries {
			if slices.Contains(kinds, listOf(at.name)) && e.caller == caller && !e.over(now) {
				found[n] = append(found[n], e.resource(at))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("a caller's resources: %w", err)
	}
	all := slices.Concat(found[:]...)
	sort.Slice(all, func(i, j int) bool { return all[i].Compare(all[j]) < 0 })
	return all, nil
}

// Compare orders resources as Own does.
func (r Resource) Compare(other Resource) int {
	if r.Expires.IsZero() != other.Expires.IsZero() {
		if r.Expires.IsZero() {
			return -1
		}
		return 1
	}
	return cmp.Or(other.Expires.Compare(r.Expires), cmp.Compare(r.Name, other.Name), cmp.Compare(r.Project, other.Project))
}

// each does something for some of the records, for all of them at once.
func (r *Registry) each(ctx context.Context, some func(n int) bool, do func(ctx context.Context, n int, s *shard) error) error {
	all, ctx := errgroup.WithContext(ctx)
	for n, s := range r.shards {
		if !some(n) {
			continue
		}
		all.Go(func() error { return do(ctx, n, s) })
	}
	return all.Wait()
}

// Made notes what a caller has made, before it hears of it. An error means that it may
// not be known to be the caller's.
func (r *Registry) Made(ctx context.Context, caller string, made ...Resource) error {
	if r == nil {
		return nil
	}
	now := r.now()
	return r.write(ctx, made, func(entries map[place]entry, m Resource) {
		e := entry{caller: caller, until: m.until(now), note: m.Note}
		if e.until == 0 {
			e.made = now.Unix() // of all else that is known by when it is over
		}
		at := place{m.Name, m.Project}
		if before := entries[at]; before.caller == caller {
			e.parts = before.parts // they are told one after the other
		}
		e.parts = e.parts.with(m.Parts)
		entries[at] = e
	})
}

// Consists notes the names of what is within something in a project that is a caller's and was made before ([Resource.Parts]),
// unless they are known.
func (r *Registry) Consists(ctx context.Context, caller, project, whole string, parts []string) error {
	if r == nil {
		return nil
	}
	has, err := r.FindIn(ctx, caller, project, []string{whole})
	m, its := has[whole]
	if err != nil || !its || m.parts.with(parts) == m.parts {
		return err
	}
	return r.write(ctx, []Resource{m}, func(entries map[place]entry, m Resource) {
		if e, ok := entries[place{m.Name, m.Project}]; ok && e.caller == caller {
			e.parts = e.parts.with(parts)
			entries[place{m.Name, m.Project}] = e
		}
	})
}

// Changed notes until when resources last, whoever has them.
func (r *Registry) Changed(ctx context.Context, changed ...Resource) error {
	if r == nil {
		return nil
	}
	now := r.now()
	return r.write(ctx, changed, func(entries map[place]entry, m Resource) {
		if e, ok := entries[place{m.Name, m.Project}]; ok {
			e.until = m.until(now)
			entries[place{m.Name, m.Project}] = e
		}
	})
}

// Gone notes that resources were deleted, whoever had them.
func (r *Registry) Gone(ctx context.Context, gone ...Resource) error {
	if r == nil {
		return nil
	}
	return r.write(ctx, gone, func(entries map[place]entry, m Resource) { delete(entries, place{m.Name, m.Project}) })
}

// write changes the entries of resources, one after another.
func (r *Registry) write(ctx context.Context, list []Resource, change func(entries map[place]entry, m Resource)) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	for _, m := range list {
		if _, ok := kindOf(m.Name); !ok {
			continue
		}
		dropped, err := r.shards[shardOf(m.Name)].change(ctx, r.now().Unix(), func(entries map[place]entry) { change(entries, m) })
		if err != nil {
			return fmt.Errorf("write whose %s is: %w", m.Name, err)
		}
		for caller, n := range dropped {
			r.log.Warn("resources are the administrators' now: there are too many to keep whose they are", "caller", caller, "number", n)
		}
	}
	return nil
}
