package resources

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
)

// maxMade is for how long it is kept when something was made, in seconds: what is made one after the other
// belongs together.
const maxMade = 3600

// MaxBytes bounds a record.
const MaxBytes = 128 << 10

// An entry is what is kept of a resource.
type entry struct {
	caller string
	until  int64 // Unix seconds; 0: it doesn't expire
	note   string
	made   int64 // Unix seconds; 0: not long ago isn't known
	parts  parts
}

// over reports whether it has expired.
func (e entry) over(now int64) bool { return e.until != 0 && e.until <= now }

// A place is where a resource lies. One name may be in use in several projects: callers
// choose the names of their files.
type place struct{ name, project string }

// A document is what a record holds: entries, and what other builds keep there.
type document struct {
	entries  map[place]entry
	projects map[string][]string // that have something of that name, once it is indexed
	wholes   map[part][]place    // likewise: what it is a part of
	others   map[string]json.RawMessage
}

// indexed returns the document, of which entries are looked for by name from now on.
func (d *document) indexed() *document {
	d.projects = make(map[string][]string, len(d.entries))
	d.wholes = make(map[part][]place)
	for at, e := range d.entries {
		d.projects[at.name] = append(d.projects[at.name], at.project)
		for x := range e.parts.all() {
			d.wholes[x] = append(d.wholes[x], at)
		}
	}
	return d
}

// stored is how entries are written: those of one caller and project together, since
// that is what most bytes would go for.
type stored map[string]map[string]map[string]int64 // caller, project, name: until

// callersMember is the member that holds them. Of some of them the others hold more, by project and name:
// the notes on them, their parts, and when they were made. Builds that don't know one of these keep it as it is.
const (
	callersMember = "callers"
	notesMember   = "notes"
	partsMember   = "parts"
	madeMember    = "made"
)

// byName is more of some entries, by project and name.
type byName[V any] map[string]map[string]V

func (m byName[V]) put(at place, v V) {
	if m[at.project] == nil {
		m[at.project] = make(map[string]V)
	}
	m[at.project][at.name] = v
}

// decode reads a record without what has expired. A record that isn't there is empty.
func decode(data []byte, now int64) (*document, error) {
	d := &document{entries: make(map[place]entry), others: make(map[string]json.RawMessage)}
	if len(data) == 0 {
		return d, nil
	}
	if err := json.Unmarshal(data, &d.others); err != nil {
		return nil, fmt.Errorf("resources: %w", err)
	}
	var all stored
	var notes byName[string]
	var pieces byName[parts]
	var made byName[int64]
	for member, into := range map[string]any{callersMember: &all, notesMember: &notes, partsMember: &pieces, madeMember: &made} {
		if raw, ok := d.others[member]; ok {
			if err := json.Unmarshal(raw, into); err != nil {
				return nil, fmt.Errorf("resources: %w", err)
			}
			delete(d.others, member)
		}
	}
	for caller, projects := range all {
		for project, names := range projects {
			for name, until := range names {
				if e := (entry{caller, until, notes[project][name], made[project][name], pieces[project][name]}); !e.over(now) {
					d.entries[place{name, project}] = e
				}
			}
		}
	}
	return d, nil
}

// encode writes a record. Where it would be too large, whoever has most in it loses
// what expires first; of whom something was dropped, and how much, is returned.
func (d *document) encode(now int64) (data []byte, dropped map[string]int, err error) {
	dropped = make(map[string]int)
	for {
		all, more := make(stored), make(map[string]byName[any]) // by member
		put := func(member string, at place, v any) {
			if more[member] == nil {
				more[member] = make(byName[any])
			}
			more[member].put(at, v)
		}
		for at, e := range d.entries {
			if all[e.caller] == nil {
				all[e.caller] = make(map[string]map[string]int64)
			}
			if all[e.caller][at.project] == nil {
				all[e.caller][at.project] = make(map[string]int64)
			}
			all[e.caller][at.project][at.name] = e.until
			if e.note != "" {
				put(notesMember, at, e.note)
			}
			if e.parts != "" {
				put(partsMember, at, e.parts)
			}
			if e.made > now-maxMade {
				put(madeMember, at, e.made)
			}
		}
		members := maps.Clone(d.others)
		for member, these := range more {
			if members[member], err = json.Marshal(these); err != nil {
				return nil, nil, err
			}
		}
		if members[callersMember], err = json.Marshal(all); err != nil {
			return nil, nil, err
		}
		if data, err = json.Marshal(members); err != nil || len(data) <= MaxBytes || len(d.entries) == 0 {
			return data, dropped, err
		}
		caller, n := d.drop()
		dropped[caller] += n
	}
}

// drop leaves out a share of what the caller has that takes most, and says how much.
func (d *document) drop() (caller string, n int) {
	by, size := make(map[string][]place), make(map[string]int)
	for at, e := range d.entries {
		by[e.caller] = append(by[e.caller], at)
		size[e.caller] += len(at.name) + len(e.note) + len(e.parts)
	}
	for name := range by {
		if size[name] > size[caller] || size[name] == size[caller] && name < caller {
			caller = name
		}
	}
	const share = 16
	all := by[caller]
	last := func(at place) int64 {
		if until := d.entries[at].until; until != 0 {
			return until
		}
		return math.MaxInt64
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(a.name, b.name), cmp.Compare(a.project, b.project))
	})
	n = (len(all) + share - 1) / share
	for _, at := range all[:n] {
		delete(d.entries, at)
	}
	return caller, n
}
