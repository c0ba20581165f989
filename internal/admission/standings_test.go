package admission

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission/fair"
	"fluxgate.dev/fluxgate/internal/admission/turns"
	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// Standings that are kept say what those would that are gathered anew, of whoever asks, however
// many came, were served, left or were told another time since.
func TestStandingsAreAsAnew(t *testing.T) {
	race.Skip(t)
	const model = "m"
	rpm, tpm := int64(6), int64(60_000)
	kept := 0
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 2))
			rules := &scheduler.Rules{Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
			rules.Policy = scheduler.NewPolicy([]string{model}, map[string]scheduler.Override{model: {RPM: &rpm, TPM: &tpm}})
			c, err := New(t.Context(), Options{
				Store: storage.NewMemory(time.Now), Shared: true, Weights: map[string]int64{"c1": 3},
				Rules: func(storage.Control) *scheduler.Rules { return rules },
			})
			require.NoError(t, err)
			pool := []Project{{ID: "p0", Keys: []string{"k0"}}, {ID: "p1", Keys: []string{"k1"}}, {ID: "p2", Keys: []string{"k2"}}}
			request := func() Request {
				caller := rnd.IntN(7)
				body := uint64(caller*20 + rnd.IntN(20) + 1)
				return Request{
					Caller: fmt.Sprint("c", caller), Hash: body * 0x9e3779b97f4a7c15, Models: []string{model}, Book: rnd.IntN(9) == 0,
					Demand: scheduler.Demand{Tokens: int64(body%20) * 1500}, Projects: pool[:2+rnd.IntN(2)],
				}
			}
			for range 1000 {
				time.Sleep(time.Duration(rnd.IntN(800)) * time.Millisecond)
				_, _, err := c.Admit(t.Context(), request())
				require.NoError(t, err)
				if rnd.IntN(200) == 0 {
					disabled := rnd.IntN(2) == 0
					_, err := c.Apply(t.Context(), "p1", scheduler.SetMark{Key: "k1", Disabled: &disabled})
					require.NoError(t, err)
				}
				if rnd.IntN(50) == 0 {
					block := scheduler.Block{Until: c.Now().Add(time.Duration(rnd.IntN(40)) * time.Second), Cause: scheduler.ByRPM}
					_, err := c.Apply(t.Context(), pool[rnd.IntN(3)].ID, scheduler.RecordRefusal{Model: model, Block: block})
					require.NoError(t, err)
				}
				kept += asAnew(t, c, request(), model)
			}
		})
	}
	require.Greater(t, kept, 30, "some were kept")
}

// decisionOn returns a decision about a request that nobody was told to wait for before.
func decisionOn(t *testing.T, c *Controller, req Request) *decision {
	snapshot, err := c.Snapshot(context.Background())
	require.NoError(t, err)
	d := &decision{c: c, rules: snapshot.Rules, req: req, demand: req.Demand, came: c.Now(), began: fair.Unknown}
	require.NoError(t, d.look(t.Context()))
	return d
}

// asAnew compares the standings for a request, and returns 1 if they were kept.
func asAnew(t *testing.T, c *Controller, req Request, model string) (kept int) {
	d, now := decisionOn(t, c, req), c.Now()
	in, who := d.setting(now), turns.Asker{Caller: scheduler.CallerOf(req.Caller), Since: now, Began: fair.Unknown}
	before := c.turns.Standings(in, model)
	kept = 1
	if before.From == now {
		kept = 0
	}
	had := c.turns.Turns(in, who, model, d.demand, nil)
	has := new(turns.Book).Turns(in, who, model, d.demand, nil)
	got, want := had.On(""), has.On("")
	require.Equal(t, want.Average(), got.Average())
	require.Equal(t, want.Waiting(), got.Waiting())
	for caller := range 7 {
		who := scheduler.CallerOf(fmt.Sprint("c", caller))
		of := func(k *turns.Contest) []any {
			slot := fair.Slot{Caller: who, Cost: 1000, Since: now - 5000}
			return []any{k.Turn(who), k.Had(who), k.Level(who), k.TurnOf(slot), k.Large(slot), k.Contest.Alone(who), k.Behind(who, 0), k.Behind(who, 5000), k.Ahead(who), k.FarBehind(who)}
		}
		require.Equal(t, of(want), of(got))
	}
	for _, p := range d.ids {
		for _, of := range [][2]func(string, string) []scheduler.Booking{{has.Before(), had.Before()}, {has.First(now), had.First(now)}} {
			require.Equal(t, slices.Clone(of[0](p, model)), slices.Clone(of[1](p, model)))
		}
	}
	return kept
}

// Where what one was told has gone to a project that the next request can't, standings that are kept don't count it.
func TestStandingsCountWhatLiesOnTheirProjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const model = "m"
		one := int64(1)
		rules := &scheduler.Rules{Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
		rules.Policy = scheduler.NewPolicy([]string{model}, map[string]scheduler.Override{model: {RPM: &one}})
		c, err := New(t.Context(), Options{
			Store: storage.NewMemory(time.Now), Shared: true, Rules: func(storage.Control) *scheduler.Rules { return rules },
		})
		require.NoError(t, err)
		pool := []Project{{ID: "p0", Keys: []string{"k0"}}, {ID: "p1", Keys: []string{"k1"}}}
		for i := range 5 {
			req := Request{Caller: fmt.Sprint("c", i), Hash: uint64(i + 1), Models: []string{model}, Demand: scheduler.Demand{Tokens: 10}, Projects: pool[:1]}
			_, _, err := c.Admit(t.Context(), req)
			require.NoError(t, err)
		}
		req := Request{Caller: "c9", Hash: 99, Models: []string{model}, Demand: scheduler.Demand{Tokens: 10}, Projects: pool[:1]}
		decisionOn(t, c, req).turnsFor(model, nil, c.Now())
		p := c.waitlist.Waiting(2, c.Now()+1000)
		require.NotNil(t, p)
		c.waitlist.TellAgain(p, waitlist.Place{Project: "p1", Model: model}, p.Start, c.Now())
		asAnew(t, c, req, model)
	})
}
