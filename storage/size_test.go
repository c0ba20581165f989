package storage

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/codec"
)

// TestDocumentsStaySmall admits 20,000 requests a minute on each of 16 models
// of one project, through eight instances, with everything else that a document
// holds at its most, and looks at every document that is written. Requests come
// fifty at a time, as texts to embed do: what a document holds depends on how
// many reservations there are, and these are more than it can keep exactly.
func TestDocumentsStaySmall(t *testing.T) {
	race.Skip(t) // the next one does the same of fewer models
	if testing.Short() {
		t.Skip("the next one does the same of fewer models")
	}
	documentsStaySmall(t, scheduler.MaxModels, nil)
}

// TestDocumentsOfFeaturesStaySmall does so for a chain of six models with a feature each,
// every request of which weighs on that, on the project within ten seconds, and on what all
// of them put out, which comes out of a bucket.
func TestDocumentsOfFeaturesStaySmall(t *testing.T) {
	documentsStaySmall(t, 6, func(model string) []scheduler.Weight {
		return []scheduler.Weight{
			{On: scheduler.OfFeature(model, "google_search"), Demand: scheduler.Demand{Requests: chunk}},
			{On: scheduler.OfProject, Demand: scheduler.Demand{Requests: chunk}},
			{On: scheduler.OfOutputs(""), Demand: scheduler.Demand{Tokens: rand.Int64N(1 << 16)}},
		}
	})
}

const (
	rpm   = 20_000
	chunk = 50
)

func documentsStaySmall(t *testing.T, models int, also func(model string) []scheduler.Weight) {
	synctest.Test(t, func(t *testing.T) {
		var names []string
		for m := range models {
			names = append(names, fmt.Sprintf("gemini-%d-pro-native-audio-preview-12-2025", m))
		}
		rules := rulesFor(scheduler.Limits{RPM: rpm, TPM: 1 << 50, RPD: 1 << 30}, names...)
		others := map[string]bool{}
		if also != nil {
			rules.Specs = map[string]scheduler.Spec{}
			for _, name := range names {
				for _, w := range also(name) {
					others[w.On] = true
					spec := scheduler.Spec{EffectiveLimits: scheduler.EffectiveLimits{Limits: scheduler.Limits{RPM: rpm, TPM: scheduler.Unlimited, RPD: 1 << 30}}}
					switch w.On {
					case scheduler.OfProject:
						spec.RPM, spec.Window = rpm*int64(models)/6, 10*time.Second
					case scheduler.OfOutputs(""):
						spec.RPM, spec.TPM, spec.Refill = scheduler.Unlimited, 1<<29, true
					}
					rules.Specs[w.On] = spec
				}
			}
		}
		db := NewFake(10 * time.Millisecond)
		var most seen
		db.Wrote = most.note
		stores := make([]*Grouped, scheduler.MaxWriters)
		for i := range stores {
			stores[i] = (&Line{DB: db}).Open(t, Options{})
		}
		for i := range scheduler.MaxMarks {
			reason := fmt.Sprintf("API_KEY_INVALID: API key not valid. Please pass a valid API key. (%d)", i)
			_, err := stores[0].Apply(t.Context(), rules, "p", scheduler.SetMark{Key: fmt.Sprintf("%012x", i), Invalid: &reason})
			require.NoError(t, err)
		}

		granted := make(map[string]*grants)
		var wg sync.WaitGroup
		for m, name := range names {
			mine := &grants{}
			granted[name] = mine
			wg.Go(func() { mine.flood(t, stores[m%len(stores)], rules, name, rpm/chunk+10, also) })
		}
		wg.Wait()

		assert.Equal(t, seen{
			models: models, others: len(others), marks: scheduler.MaxMarks, told: scheduler.MaxWaitlist,
			writers: min(models, scheduler.MaxWriters), bookings: scheduler.MaxBookings,
		}, most.counts(), "or the bound wasn't tried")
		largest := 0
		for _, n := range db.Sizes {
			require.LessOrEqual(t, n, codec.MaxDocument)
			largest = max(largest, n)
		}
		for name, g := range granted {
			n := g.peak()
			assert.LessOrEqual(t, n, int64(rpm), name)
			if also == nil {
				assert.Greater(t, n, int64(rpm*9/10), name)
			}
		}
		t.Logf("%d documents, at most %d bytes", len(db.Sizes), largest)
	})
}

// seen is the most that any document held, and how many had lost what isn't a model's.
type seen struct{ models, others, lost, marks, told, writers, bookings int }

func (s *seen) counts() seen { return *s }

// note is called under the database's lock.
func (s *seen) note(_ string, p *scheduler.Project) {
	bookings, models := 0, 0
	for _, c := range p.Calendars {
		bookings += len(c.Bookings)
		if scheduler.IsModel(c.Model) {
			models++
		}
	}
	if s.others > 0 && len(p.Calendars) == models {
		s.lost++ // there was no room for them
	}
	s.models, s.others, s.marks = max(s.models, models), max(s.others, len(p.Calendars)-models), max(s.marks, len(p.Marks))
	s.told, s.writers = max(s.told, len(p.Waitlist)), max(s.writers, len(p.Writers))
	s.bookings = max(s.bookings, bookings)
}

type grants struct {
	mu sync.Mutex
	at []scheduler.Instant
	n  []int64
}

// peak is the most requests within any 60 s.
func (g *grants) peak() (most int64) {
	for _, end := range g.at {
		var n int64
		for i, at := range g.at {
			if at <= end && at > end-60_000 {
				n += g.n[i]
			}
		}
		most = max(most, n)
	}
	return most
}

// flood asks for a minute's worth within a minute, then books, and has refusals
// piggybacked.
func (g *grants) flood(t *testing.T, s *Grouped, rules *scheduler.Rules, model string, times int, also func(string) []scheduler.Weight) {
	var wg sync.WaitGroup
	for i := range times {
		time.Sleep(time.Duration(rand.IntN(250)) * time.Millisecond)
		s.Later(rules, "p", scheduler.ShareWaitlist{Entries: []scheduler.Waitlisted{{Hash: rand.Uint32(), Start: s.Now().Add(time.Hour)}}})
		r := scheduler.Reserve{
			Model: model, ID: rand.Uint64(), Hash: rand.Uint64(), Book: i >= times-10,
			Demand: scheduler.Demand{
				Tokens: rand.Int64N(1 << 20), Requests: chunk, Allowance: time.Duration(rand.IntN(3000)) * time.Millisecond,
			},
		}
		if also != nil {
			r.Also = also(model)
		}
		wg.Go(func() {
			result, err := s.Apply(t.Context(), rules, "p", r)
			if assert.NoError(t, err) && result.Verdict == scheduler.Admitted {
				g.mu.Lock()
				defer g.mu.Unlock()
				g.at, g.n = append(g.at, result.Reservation.Start), append(g.n, chunk)
			}
		})
	}
	wg.Wait()
}

func rulesFor(l scheduler.Limits, chain ...string) *scheduler.Rules {
	o := scheduler.Override{RPM: &l.RPM, TPM: &l.TPM, RPD: &l.RPD}
	return &scheduler.Rules{
		Policy: scheduler.NewPolicy(chain, map[string]scheduler.Override{"pro": o, "flash": o, "flash_lite": o}),
		Skew:   scheduler.DefaultSkew, Hold: scheduler.DefaultHold,
	}
}
