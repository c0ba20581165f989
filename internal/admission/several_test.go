package admission

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A request that weighs on a feature beside its model: the grant carries both, and so do
// its settling and its cancelling; a wait is the longer of the two, is booked on both when
// the caller comes back, and its ticket, which is of the form that it always had, finds
// the booking. Plain text doesn't notice.
func TestSeveralCalendars(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const model = "gemini-2.5-flash"
		search := scheduler.OfFeature(model, "google_search")
		rules := &scheduler.Rules{Policy: scheduler.NewPolicy([]string{model}, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
		rules.Specs = map[string]scheduler.Spec{search: {EffectiveLimits: scheduler.EffectiveLimits{
			Limits: scheduler.Limits{RPM: 1, TPM: 1000, RPD: scheduler.Unlimited},
		}}}
		store := storage.NewMemory(time.Now)
		c, err := New(t.Context(), Options{Store: store, Rules: func(storage.Control) *scheduler.Rules { return rules }})
		require.NoError(t, err)
		calendar := func(name string) *scheduler.Calendar {
			states, err := store.View(t.Context(), []string{"p"})
			require.NoError(t, err)
			return states[0].Calendar(name)
		}
		ask := func(hash uint64, text string, searching bool) (*Grant, *Wait) {
			t.Helper()
			req := Request{
				Caller: "alice", Hash: hash, Models: []string{model}, Demand: scheduler.Demand{Tokens: 10},
				Projects: []Project{{ID: "p", Keys: []string{"k"}}},
			}
			if searching {
				req.Also = func(string) []scheduler.Weight {
					return []scheduler.Weight{{On: search, Demand: scheduler.Demand{Tokens: 100}}}
				}
			}
			if text != "" {
				req.Ticket, err = c.ParseTicket(text, "alice")
				require.NoError(t, err)
				req.Book = true
			}
			grant, wait, err := c.Admit(t.Context(), req)
			require.NoError(t, err)
			return grant, wait
		}

		never, _ := ask(1, "", true)
		require.NotNil(t, never)
		require.Len(t, never.Also, 1)
		c.Cancel(never, false)
		assert.Empty(t, calendar(search).Sent)

		grant, _ := ask(2, "", true)
		require.NotNil(t, grant)
		grant.Counted = []int64{40}
		require.NoError(t, c.Settle(t.Context(), grant, 7, time.Now()))
		assert.EqualValues(t, 7, calendar(model).Sent[0].Tokens)
		assert.EqualValues(t, 40, calendar(search).Sent[0].Tokens)

		_, wait := ask(3, "", true)
		require.NotNil(t, wait)
		assert.Equal(t, scheduler.ByRPM, wait.Cause)
		assert.Equal(t, search, wait.On)
		assert.EqualValues(t, 1, wait.Limit.RPM, "of the feature")
		assert.Greater(t, c.Left(wait), time.Minute-time.Second)
		plain, _ := ask(4, "", false)
		assert.NotNil(t, plain)

		_, wait = ask(3, wait.Ticket, true)
		require.NotNil(t, wait)
		require.True(t, wait.Booked)
		assert.Equal(t, model, wait.Model)
		assert.Len(t, calendar(search).Bookings, 1)
		time.Sleep(c.Left(wait))
		held, wait := ask(3, wait.Ticket, true)
		require.Nil(t, wait)
		assert.True(t, held.Booked)
		assert.Len(t, held.Also, 1)
		assert.Empty(t, calendar(search).Bookings)
	})
}

// Callers that wait for a calendar that isn't their model's are told different times too,
// on whatever models of the project they are; one that waits for nothing but its model
// isn't told a time after theirs.
func TestWaitlistOfAnotherCalendar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const a, b = "gemini-2.5-flash", "gemini-2.5-flash-lite"
		rules := &scheduler.Rules{Policy: scheduler.NewPolicy([]string{a, b}, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
		rules.Specs = map[string]scheduler.Spec{scheduler.OfProject: {EffectiveLimits: scheduler.EffectiveLimits{
			Limits: scheduler.Limits{RPM: 1, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited},
		}}}
		c, err := New(t.Context(), Options{Store: storage.NewMemory(time.Now), Rules: func(storage.Control) *scheduler.Rules { return rules }})
		require.NoError(t, err)
		hash, caller := uint64(0), "one"
		ask := func(model string, shared bool) *Wait {
			t.Helper()
			hash++
			req := Request{Caller: caller, Hash: hash, Models: []string{model}, Demand: scheduler.Demand{Tokens: 10}, Projects: []Project{{ID: "p", Keys: []string{"k"}}}}
			if shared {
				req.Also = func(string) []scheduler.Weight { return []scheduler.Weight{{On: scheduler.OfProject}} }
			}
			_, wait, err := c.Admit(t.Context(), req)
			require.NoError(t, err)
			return wait
		}
		require.Nil(t, ask(a, true))
		var told []time.Duration
		for _, model := range []string{a, a, b, a} {
			wait := ask(model, true)
			require.NotNil(t, wait)
			assert.Equal(t, scheduler.OfProject, wait.On)
			told = append(told, c.Left(wait).Round(time.Minute/2))
		}
		assert.Equal(t, []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute, 4 * time.Minute}, told)
		assert.Nil(t, ask(b, false))
		promised := func() int { return len(c.waitlist.Promised("p", scheduler.OfProject, c.Now(), waitlist.Asker{})) }
		assert.Equal(t, 4, promised())
		time.Sleep(10 * time.Minute)
		caller = "two" // of one that hasn't come back four times some aren't waited for
		assert.Nil(t, ask(a, true))
		require.NotNil(t, ask(a, true))
		assert.Equal(t, 1, promised(), "what is over is forgotten")
	})
}
