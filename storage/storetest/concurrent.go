package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

var concurrentCases = []testCase{
	{name: "NeverOverRPM", body: func(t *testing.T, h Harness) {
		rush(t, h, scheduler.Limits{RPM: 12, TPM: 1_000_000, RPD: 1000}, 12)
	}},
	{name: "NeverOverTPM", body: func(t *testing.T, h Harness) {
		rush(t, h, scheduler.Limits{RPM: 1000, TPM: 2000, RPD: 1000}, 0)
	}},
	{name: "NeverOverRPD", body: func(t *testing.T, h Harness) {
		rush(t, h, scheduler.Limits{RPM: 1000, TPM: 1_000_000, RPD: 9}, 9)
	}},
	{name: "NeverOverForMinutes", body: minutes, virtual: true},
	{name: "CreatedOnce", body: createdOnce},
}

const instances = 4

// A ledger collects what was granted.
type ledger struct {
	mu     sync.Mutex
	grants map[string][]grant
}

func (l *ledger) note(id string, r scheduler.Reservation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.grants == nil {
		l.grants = make(map[string][]grant)
	}
	l.grants[id] = append(l.grants[id], grant{id, r.ID, r.Start, r.Tokens})
}

// rush has many callers of several instances ask for more than there is, all at
// once, on projects that don't exist yet. Every one of them is told the truth:
// nothing is overbooked, and (with exact) nothing is left over either.
func rush(t *testing.T, h Harness, l scheduler.Limits, exact int) {
	const callers, each = 8, 3
	rules := rulesOf(l)
	stores := make([]storage.Store, instances)
	for i := range stores {
		stores[i] = h.Open(t, eager())
	}
	var granted ledger
	together(instances*callers, func(i int) {
		s := stores[i%instances]
		for range each {
			id := fmt.Sprintf("%s-%d", project, rand.IntN(2))
			result, err := s.Apply(t.Context(), rules, id, ask(rand.Int64N(300)+1))
			if assert.NoError(t, err) && result.Verdict == scheduler.Admitted {
				granted.note(id, result.Reservation)
			}
		}
	})
	require.Len(t, granted.grants, 2)
	fresh := h.Open(t, eager())
	for id, grants := range granted.grants {
		require.NoError(t, overbooked(grants, l), id)
		assert.EqualValues(t, len(grants), requests(view(t, fresh, id)), "what is kept is what was granted")
		if exact > 0 {
			assert.Len(t, grants, exact)
		}
	}
	counts(t, h, append(stores, fresh)...)
}

// counts compares what Stores say they asked with what arrived.
func counts(t *testing.T, h Harness, stores ...storage.Store) {
	t.Helper()
	var sum storage.Stats
	for i, s := range stores {
		if slices.Contains(stores[:i], s) {
			continue // there is only one
		}
		st := s.Stats()
		sum.Reads += st.Reads
		sum.Writes += st.Writes
		sum.Conflicts += st.Conflicts
	}
	reads, writes := h.Asked()
	assert.Equal(t, reads, sum.Reads, "reads")
	assert.Equal(t, writes, sum.Writes, "writes")
	t.Logf("%d reads, %d writes, %d of them lost races", sum.Reads, sum.Writes, sum.Conflicts)
}

// minutes has callers that obey what they are told for several minutes: they
// come back with their booking, late or not at all, settle to another size, or
// cancel. Nothing is ever overbooked, and no booking that is returned to in
// time is refused.
func minutes(t *testing.T, h Harness) {
	const callers, length = 6, 5 * time.Minute
	l := scheduler.Limits{RPM: 20, TPM: 10_000, RPD: 70}
	rules := rulesOf(l)
	var granted ledger
	end := time.Now().Add(length)
	var wg sync.WaitGroup
	for range instances {
		s := h.Open(t, Config{})
		for range callers {
			wg.Go(func() {
				for time.Now().Before(end) {
					if !visit(t, s, rules, &granted) {
						return
					}
				}
			})
		}
	}
	wg.Wait()
	grants := granted.grants[project]
	require.NoError(t, overbooked(grants, l))
	assert.Greater(t, len(grants), int(l.RPD)/2, "something got through")
}

// visit asks until it is admitted or gives up, and reports whether to go on.
func visit(t *testing.T, s storage.Store, rules *scheduler.Rules, granted *ledger) bool {
	r := ask(rand.Int64N(3000) + 1)
	for tries := 0; tries < 4; tries++ {
		if err := s.Refresh(t.Context(), []string{project}, false); !assert.NoError(t, err) {
			return false
		}
		result, err := s.Apply(t.Context(), rules, project, r)
		if !assert.NoError(t, err) {
			return false
		}
		switch result.Verdict {
		case scheduler.Admitted:
			conclude(t, s, rules, granted, result)
			time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
			return true
		case scheduler.Booked:
			r.Booking, r.ID = result.Booking.ID, rand.Uint64()
		}
		wait := result.Start.Sub(s.Now())
		if wait > scheduler.MaxAhead {
			return false // the day is spent
		}
		if rand.IntN(10) == 0 {
			return true // this one doesn't come back
		}
		time.Sleep(max(wait, 0) + time.Duration(rand.IntN(1000))*time.Millisecond)
		r.Book = true
	}
	return true
}

// conclude plays what becomes of an admitted request: most are sent, some turn out
// smaller, and some never leave, of which the oracle then needs to know nothing.
func conclude(t *testing.T, s storage.Store, rules *scheduler.Rules, granted *ledger, result scheduler.Result) {
	res := result.Reservation
	switch rand.IntN(5) {
	case 0:
		s.Later(rules, project, scheduler.Cancel{Model: model, ID: res.ID})
		return
	case 1:
		settled := res
		settled.Tokens = res.Tokens/2 + 1
		granted.note(project, settled)
		s.Later(rules, project, scheduler.Settle{
			Model: model, ID: res.ID, Reserved: res, Tokens: settled.Tokens, SentAt: s.Now(),
		})
	default:
		granted.note(project, res)
	}
}

// Several instances that see a project for the first time all create its
// document; one does, and the others' changes are in it all the same.
func createdOnce(t *testing.T, h Harness) {
	var mu sync.Mutex
	ids := make(map[uint64]bool)
	together(instances, func(int) {
		s := h.Open(t, eager())
		r := ask(1)
		result, err := s.Apply(t.Context(), plenty, project, r)
		if assert.NoError(t, err) && assert.Equal(t, scheduler.Admitted, result.Verdict) {
			mu.Lock()
			defer mu.Unlock()
			ids[r.ID] = true
		}
	})
	p := stored(t, h)
	assert.EqualValues(t, instances, requests(p))
	for id := range ids {
		assert.Equal(t, 1, reservations(p, id))
	}
}
