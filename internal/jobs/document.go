package jobs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// kept is how long it is known whose a job is, or a file with its results. Google's jobs run for
	// two days at most (https://ai.google.dev/gemini-api/docs/batch-api), and files with results are
	// kept for as long; those of OpenAI and Anthropic a month.
	kept = 30 * 24 * time.Hour
	// keptBeside is how long a job is known beside a file with its results.
	keptBeside = 24 * time.Hour
	// maxBytes bounds a record.
	maxBytes = 128 << 10
)

// An entry is what is kept of a job. The JSON names are those of the records.
type entry struct {
	Caller string `json:"c,omitempty"`
	Model  string `json:"m,omitempty"` // "": its results name it
	Batch  bool   `json:"b,omitempty"` // else it runs in the background
	Before int64  `json:"i,omitempty"` // the input tokens that it was counted with when it began
	Read   int64  `json:"n,omitempty"` // how many of its results are counted
	// Files are those with its results that have entries of their own.
	Files []string `json:"f,omitempty"`
	Until int64    `json:"u"` // Unix seconds
}

// A place is where a job is.
type place struct{ project, name string }

// A document is what a record holds.
type document struct {
	entries map[place]entry
	others  map[string]json.RawMessage // of other builds
}

// member is the member of a record that holds entries, by project and name.
const member = "jobs"

func decode(data []byte, now time.Time) (*document, error) {
	d := &document{entries: make(map[place]entry), others: make(map[string]json.RawMessage)}
	if len(data) == 0 {
		return d, nil
	}
	if err := json.Unmarshal(data, &d.others); err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	var all map[string]map[string]entry
	if raw, ok := d.others[member]; ok {
		if err := json.Unmarshal(raw, &all); err != nil {
			return nil, fmt.Errorf("jobs: %w", err)
		}
		delete(d.others, member)
	}
	for project, names := range all {
		for name, e := range names {
			if e.Until > now.Unix() {
				d.entries[place{project, name}] = e
			}
		}
	}
	return d, nil
}

// encode writes a record, without what would be gone first where it would be too large, and says
// how much that is.
func (d *document) encode() (data []byte, dropped int, err error) {
	for {
		all := make(map[string]map[string]entry)
		for at, e := range d.entries {
			if all[at.project] == nil {
				all[at.project] = make(map[string]entry)
			}
			all[at.project][at.name] = e
		}
		members := maps.Clone(d.others)
		if members[member], err = json.Marshal(all); err != nil {
			return nil, 0, err
		}
		if data, err = json.Marshal(members); err != nil || len(data) <= maxBytes || len(d.entries) == 0 {
			return data, dropped, err
		}
		dropped += d.drop()
	}
}

// drop leaves out a share of the entries, and says how many.
func (d *document) drop() int {
	const share = 16
	all := slices.SortedFunc(maps.Keys(d.entries), func(a, b place) int {
		return cmp.Or(cmp.Compare(d.entries[a].Until, d.entries[b].Until), cmp.Compare(a.project, b.project), cmp.Compare(a.name, b.name))
	})
	all = all[:(len(all)+share-1)/share]
	for _, at := range all {
		delete(d.entries, at)
	}
	return len(all)
}
