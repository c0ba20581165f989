package policy

import (
	"encoding/json"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// RecordName is the name of the record in the store.
const RecordName = "policy"

// Reported is what is known from Gemini. The zero value is nothing at all. Its maps and slices are shared and not to be
// changed. Instants are UTC, whole milliseconds of the store's time.
type Reported struct {
	// At is when the numbers in Models were reported; zero: never. They count for [MaxAge].
	At time.Time `json:"at,omitzero"`
	// Models has the numbers that were taken, of models that were asked for.
	Models map[string]Limits `json:"models"`
	// Refused lists the numbers of the latest answer that were not taken.
	Refused []Refusal `json:"refused"`
	// TriedAt is when Gemini was last asked, and Error why it was in vain; empty: it wasn't.
	TriedAt time.Time `json:"tried_at,omitzero"`
	Error   string    `json:"error"`

	// ListedAt is when Chain and Windows were read from the models list; zero: never.
	ListedAt time.Time `json:"listed_at,omitzero"`
	// Chain is the chain that the models list amounts to; empty: none was.
	Chain []string `json:"chain"`
	// Sessions are the models for sessions of the Live API that the list names, best first; empty: none, or a build read it
	// that didn't look for them.
	Sessions []string `json:"sessions,omitempty"`
	// Retiring has the models of which answers have said when they are shut down.
	Retiring map[string]time.Time `json:"retiring,omitempty"`
	// Windows has the input token limit of every listed model that generates, those outside the chain included.
	Windows map[string]int64 `json:"windows"`
	// ListTriedAt is when the list was last asked for, and ListError why it was in vain; empty: it wasn't.
	ListTriedAt time.Time `json:"list_tried_at,omitzero"`
	ListError   string    `json:"list_error"`
}

// Overrides returns, by model, the numbers that count at an instant instead of the built-in ones: those that lower a
// built-in model's limit, and those of other models, while they are less than [MaxAge] old. They rank above the built-in defaults
// and below the operator's. Numbers that were taken under other defaults, by an older build, are judged again.
func (r *Reported) Overrides(now time.Time) map[string]scheduler.Override {
	out := map[string]scheduler.Override{}
	if r.At.IsZero() || now.Sub(r.At) >= MaxAge {
		return out
	}
	for model, limits := range r.Models {
		for _, f := range fields {
			p := f.in(&limits)
			if *p == nil {
				continue
			}
			least, most := bounds(model, f.of)
			if n := **p; n < least || n > most || builtIn(model) && n >= f.of(defaults(model)) {
				*p = nil
			}
		}
		if limits != (Limits{}) {
			out[model] = scheduler.Override{RPM: limits.RPM, TPM: limits.TPM, RPD: limits.RPD}
		}
	}
	return out
}

// lease is the right to refresh.
type lease struct {
	Holder string    `json:"holder"` // random, another for each attempt
	Until  time.Time `json:"until"`
}

// record is what the store keeps.
type record struct {
	Reported
	Lease *lease `json:"lease,omitempty"`
}

// decode returns an empty record for no data, and for data that can't be read: it is a cache, and is filled again.
func decode(data []byte) (rec record, readable bool) {
	if len(data) == 0 {
		return record{}, true
	}
	if json.Unmarshal(data, &rec) != nil {
		return record{}, false
	}
	return rec, true
}

func (r *record) encode() []byte {
	data, err := json.Marshal(r)
	if err != nil {
		panic("policy: a record of strings, numbers and instants can't fail to encode: " + err.Error())
	}
	return data
}

// leasedToAnother reports whether somebody else's lease is in force.
func (r *record) leasedToAnother(holder string, now time.Time) bool {
	return r.Lease != nil && r.Lease.Holder != holder && now.Before(r.Lease.Until)
}

// due reports for a half of the record whether it is to be done: it was done at at, and last tried, with this error.
func due(now, at, tried time.Time, failed string) bool {
	if failed != "" {
		return now.Sub(tried) >= RetryAfter
	}
	return at.IsZero() || now.Sub(at) >= MaxAge
}

func (r *Reported) numbersDue(now time.Time) bool { return due(now, r.At, r.TriedAt, r.Error) }
func (r *Reported) listDue(now time.Time) bool {
	return due(now, r.ListedAt, r.ListTriedAt, r.ListError)
}
