package admission_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// onBoth are two ways in which requests for two models weigh on one calendar.
var onBoth = map[string]func(model string) []scheduler.Weight{
	"a feature of all models": func(string) []scheduler.Weight {
		return []scheduler.Weight{{On: scheduler.OfFeature("", "google_search")}}
	},
	"the first answers for the second": func(model string) []scheduler.Weight {
		if model == second {
			return []scheduler.Weight{{On: first, Demand: scheduler.Demand{Tokens: 10}}}
		}
		return nil
	},
}

// Who comes when it is told to gets its turns beside a flood for another model, where requests for both use the same calendar: as
// many as beside one for its own model, and though it sends others for its model that don't. Turns were kept of models, and what was
// told of others came first: with five requests it got 4 to 29 of 200 at one instance and 6 to 44 at two, and with one 3.
func TestTurnsOfModelsThatShareACalendar(t *testing.T) {
	race.Skip(t)
	for name, also := range onBoth {
		for _, c := range []sharers{
			{flood: second, polite: first, several: 5, least: 40},
			{flood: second, polite: first, hammers: true, book: true, several: 5, least: 38},
			{flood: first, polite: second, several: 5, least: 40},
			{flood: first, polite: second, hammers: true, book: true, several: 5, least: 38},
			{flood: second, polite: first, several: 1, least: 8},
			{flood: second, polite: first, several: 5, apart: true, least: 65},
			{flood: first, polite: second, hammers: true, book: true, several: 5, apart: true, least: 55},
			{flood: first, polite: second, several: 5, plain: 3, least: 40},
		} {
			if c.plain > 0 && also(c.polite)[0].On == first {
				continue // it has no others: all weigh on both
			}
			t.Run(fmt.Sprintf("%s, %+v", name, c), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { c.run(t, also) }) })
		}
	}
}

// Sharers are two callers with requests for models that share a calendar, of twenty requests a minute on two projects.
type sharers struct {
	flood, polite string // which models they ask for
	hammers, book bool   // the flood comes every second, and asks for bookings
	several       int    // requests of the polite one at a time, of which each can be served once a minute
	plain         int    // and so many a second that weigh on its model alone
	apart         bool   // they come to different instances
	least         int    // requests that the polite one is served in ten minutes
}

func (c sharers) run(t *testing.T, also func(model string) []scheduler.Weight) {
	store := storage.Store(storage.NewMemory(time.Now))
	if c.apart {
		store = inTwo{storage.NewMemory(time.Now)}
	}
	here := atOneOfTwo(t, newBench(t, store, []string{"p", "q"}))
	there := here
	if c.apart {
		there = atOneOfTwo(t, here)
	}
	shareACalendar(here.rules)
	served := map[string]int{}
	type waiter struct {
		req admission.Request
		at  scheduler.Instant
	}
	next := func(caller string) *waiter {
		req := here.request()
		req.Caller, req.Models, req.Also = caller, []string{c.polite}, also
		if caller == "flood" {
			req.Models, req.Book = []string{c.flood}, c.book
		}
		return &waiter{req: req, at: here.Now() + 1000}
	}
	ask := func(at *bench, w *waiter) {
		if grant, wait := at.admit(w.req); grant == nil {
			w.at = wait.Start
		} else {
			served[w.req.Caller]++
			*w = *next(w.req.Caller)
		}
	}
	var flood, polite []*waiter
	for range 40 {
		flood = append(flood, next("flood"))
	}
	for range c.several {
		polite = append(polite, next("polite"))
	}
	for began := here.Now(); here.Now().Sub(began) < 10*time.Minute; time.Sleep(time.Second) {
		for _, w := range flood {
			if c.hammers || w.at <= here.Now() {
				ask(here, w)
			}
		}
		for range c.plain {
			plain := next("polite").req
			plain.Also = nil
			there.granted(plain)
		}
		for _, w := range polite {
			if w.at <= there.Now() {
				ask(there, w)
			}
		}
	}
	t.Log(served)
	assert.GreaterOrEqual(t, served["polite"], c.least)
	assert.GreaterOrEqual(t, served["polite"]+served["flood"], 180, "of 200")
}

// shareACalendar has two models take ten requests a minute together, whichever way they share a calendar.
func shareACalendar(rules *scheduler.Rules) {
	ten, many, unlimited := int64(10), int64(1000), scheduler.Unlimited
	rules.Policy = scheduler.NewPolicy([]string{first, second}, map[string]scheduler.Override{
		first: {RPM: &ten, TPM: &unlimited, RPD: &unlimited}, second: {RPM: &many, TPM: &unlimited, RPD: &unlimited},
	})
	rules.Specs = map[string]scheduler.Spec{scheduler.OfFeature("", "google_search"): {EffectiveLimits: scheduler.EffectiveLimits{
		Limits: scheduler.Limits{RPM: 10, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited},
	}}}
}

// What is kept of who was served on a calendar beside its model's, is what is settled and taken back there, too, and nothing is
// kept where nobody else waits.
func TestServedBesideAModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := atOneOfTwo(t, newBench(t, storage.NewMemory(time.Now), []string{"p"}))
		shareACalendar(b.rules)
		search := scheduler.OfFeature("", "google_search")
		request := func(caller string) admission.Request {
			req := b.request()
			req.Caller, req.Models = caller, []string{second}
			req.Also = func(string) []scheduler.Weight {
				return []scheduler.Weight{{On: search, Demand: scheduler.Demand{Tokens: 100}}}
			}
			return req
		}
		services := func() (all []scheduler.Service) {
			states, err := b.shared.View(t.Context(), []string{"p"})
			require.NoError(t, err)
			for _, x := range states[0].Services {
				if x.Model == scheduler.NameOf(search) {
					all = append(all, x)
				}
			}
			return all
		}
		for range 10 {
			b.granted(request("alice"))
		}
		require.Empty(t, services())
		b.refused(request("bob"))
		time.Sleep(scheduler.Window + time.Second)
		grant := b.granted(request("alice"))
		require.Len(t, services(), 1)
		assert.EqualValues(t, 1, services()[0].Requests)
		assert.EqualValues(t, 100, services()[0].Tokens)
		grant.Counted = []int64{140}
		require.NoError(t, b.Settle(t.Context(), grant, 7, time.Now()))
		assert.EqualValues(t, 140, services()[0].Tokens)
		grant = b.granted(request("alice"))
		assert.EqualValues(t, 240, services()[0].Tokens)
		b.Cancel(grant, false)
		assert.EqualValues(t, 1, services()[0].Requests)
		assert.EqualValues(t, 140, services()[0].Tokens)
	})
}

// Nothing is kept of a feature of which no limit is known, for it would take half of the places: not of who comes for what it has booked
// while others wait with requests for it, nor that these wait.
func TestNoTurnsWhereNothingIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := atOneOfTwo(t, newBench(t, inTwo{storage.NewMemory(time.Now)}, []string{"p"}))
		request := func(caller string) admission.Request {
			req := b.request()
			req.Caller, req.Also = caller, onBoth["a feature of all models"]
			return req
		}
		for range 10 {
			b.granted(request("alice"))
		}
		mine := request("alice")
		booked := b.booked(mine)
		b.refused(request("bob")) // the first of his is booked
		b.refused(request("bob"))
		b.until(booked.Start)
		b.granted(mine)
		states, err := b.shared.View(t.Context(), []string{"p"})
		require.NoError(t, err)
		require.NotEmpty(t, states[0].Services)
		require.NotEmpty(t, states[0].Waiters)
		for _, x := range states[0].Services {
			assert.Equal(t, scheduler.NameOf(first), x.Model)
		}
		for _, x := range states[0].Waiters {
			assert.Equal(t, scheduler.NameOf(first), x.Model)
		}
	})
}

// What a calendar that two models share has left, beside those that wait for their own model's, is used by whoever waits for the
// other: they can't use it before they have room there. It counted as theirs, and the other model was used by half.
func TestWhatOthersLeaveOfASharedCalendar(t *testing.T) {
	race.Skip(t)
	for _, several := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := storage.Store(storage.NewMemory(time.Now))
			if several {
				store = inTwo{storage.NewMemory(time.Now)}
			}
			here := atOneOfTwo(t, newBench(t, store, []string{"p", "q"}))
			there := atOneOfTwo(t, here)
			shareACalendar(here.rules)
			six, eleven, unlimited, search := int64(6), int64(11), scheduler.Unlimited, scheduler.OfFeature("", "google_search")
			here.rules.Policy = scheduler.NewPolicy([]string{first, second}, map[string]scheduler.Override{
				first: {RPM: &six, TPM: &unlimited, RPD: &unlimited}, second: {RPM: &eleven, TPM: &unlimited, RPD: &unlimited},
			})
			here.rules.Specs[search] = scheduler.Spec{EffectiveLimits: scheduler.EffectiveLimits{
				Limits: scheduler.Limits{RPM: 14, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited},
			}}
			type waiter struct {
				req     admission.Request
				instant scheduler.Instant
				hammers bool
				at      *bench
			}
			var all []*waiter
			again := func(w *waiter) {
				req := here.request()
				req.Caller, req.Models, req.Also, req.Book = w.req.Caller, w.req.Models, w.req.Also, w.req.Book
				w.req, w.instant = req, here.Now()+1000
			}
			add := func(n int, w waiter, caller, model string, searches, books bool) {
				for range n {
					next := w
					next.req.Caller, next.req.Models, next.req.Book = caller, []string{model}, books
					if searches {
						next.req.Also = onBoth["a feature of all models"]
					}
					again(&next)
					all = append(all, &next)
				}
			}
			add(30, waiter{at: here}, "alone", first, true, false)
			add(30, waiter{at: here}, "plain", second, false, false)
			add(30, waiter{at: here, hammers: true}, "hammers", second, true, false)
			add(10, waiter{at: here}, "books", second, true, true)
			elsewhere := waiter{at: here, hammers: true}
			if several {
				elsewhere.at = there
			}
			add(3, elsewhere, "elsewhere", second, false, false)
			add(6, elsewhere, "elsewhere", second, true, false)
			used := make(map[string]float64)
			const minutes = 15
			for began := here.Now(); here.Now().Sub(began) < minutes*time.Minute; time.Sleep(time.Second) {
				for _, w := range all {
					if !w.hammers && w.instant > here.Now() {
						continue
					}
					grant, wait := w.at.admit(w.req)
					if grant == nil {
						w.instant = wait.Start
						continue
					}
					if used[w.req.Models[0]]++; w.req.Also != nil {
						used[search]++
					}
					again(w)
				}
			}
			for on, most := range map[string]float64{first: 6, second: 11, search: 14} {
				used[on] /= 2 * minutes * most
			}
			t.Log(used)
			assert.GreaterOrEqual(t, used[first], 0.85)
			assert.GreaterOrEqual(t, used[second], 0.97)
			assert.GreaterOrEqual(t, used[search], 0.82)
		})
	}
}
