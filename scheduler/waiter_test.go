package scheduler_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	. "fluxgate.dev/fluxgate/scheduler"
)

// Who waits is known once for each model, as long as the last that was said of it holds, and with the wait that is known to be longest.
func TestWaiters(t *testing.T) {
	rules := defaultRules()
	said := func(p *Project, at Instant, all ...Waiter) *Project {
		p, _ = apply(t, rules, p, at, ShareWaitlist{Waiters: all})
		return p
	}
	alice := Waiter{NameOf("m"), CallerOf("alice"), noon - 5000, noon + 60_000}
	bob, later := alice, alice
	bob.Caller = CallerOf("bob")
	p := said(nil, noon, alice, bob)
	assert.Equal(t, []Waiter{alice, bob}, p.Waiters)

	later.Since, later.Until = noon, noon+70_000
	p = said(p, noon+10_000, later)
	later.Since = alice.Since
	assert.Equal(t, []Waiter{bob, later}, p.Waiters, "another of its requests has waited for longer")
	p = said(p, noon+10_000, alice)
	assert.Equal(t, later, p.Waiters[1], "another instance told it a later time")

	for model, want := range map[string]bool{"m": true, "n": false} {
		assert.Equal(t, want, OthersWait([]*Project{nil, p}, model, "alice", noon+20_000), model)
	}
	assert.True(t, OthersWait([]*Project{p}, "m", "alice", noon+60_000))
	assert.False(t, OthersWait([]*Project{p}, "m", "alice", noon+60_001), "bob's time is over")
	assert.True(t, OthersWait([]*Project{p}, "m", "bob", noon+60_001))

	p = said(p, noon+65_000, alice)
	assert.Equal(t, []Waiter{later}, p.Waiters, "what comes late, when it is over, takes nothing away")

	later.Since, later.Until = noon+80_000, noon+140_000
	p = said(p, noon+80_000, later)
	assert.Equal(t, []Waiter{later}, p.Waiters, "it was away, and the other is")
}

// Of more than it keeps a project keeps those that were said last.
func TestWaitersAreBounded(t *testing.T) {
	var all []Waiter
	for i := range MaxWaiters + 3 {
		all = Waiting(all, []Waiter{{Caller: uint32(i), Until: noon}}, noon)
	}
	assert.Len(t, all, MaxWaiters)
	assert.EqualValues(t, 3, all[0].Caller)
}
