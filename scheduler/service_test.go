package scheduler

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// served has a caller be admitted and returns the project and the reservation.
func served(t *testing.T, p *Project, now Instant, caller string, tokens, level int64) (*Project, Reservation) {
	t.Helper()
	unlimited := Unlimited
	rules := &Rules{Policy: NewPolicy([]string{"m"}, map[string]Override{"m": {RPM: &unlimited, TPM: &unlimited, RPD: &unlimited}})}
	next, r := p.Apply(rules, now, Reserve{Model: "m", Demand: Demand{Tokens: tokens}, ID: uint64(now), Caller: caller, Level: level})
	require.Equal(t, Admitted, r.Verdict)
	return next, r.Reservation
}

// Whom others wait for keeps what it was served before any of them is.
func TestServicesOfWhomOthersWaitFor(t *testing.T) {
	const at = Instant(1_750_000_000_000)
	rules := &Rules{Policy: NewPolicy([]string{"m"}, nil)}
	alone, _ := served(t, nil, at, "alice", 10, 0)
	p, r := alone.Apply(rules, at+1000, Reserve{Model: "m", Demand: Demand{Tokens: 20}, ID: 7, Caller: "alice", Contested: true})
	assert.Equal(t, []Service{{Model: NameOf("m"), Caller: CallerOf("alice"), Requests: 1, Tokens: 20, At: at + 1000}}, p.Services)
	p, _ = p.Apply(rules, at+1500, Settle{Model: "m", ID: 7, Reserved: r.Reservation, Tokens: 25, Caller: "alice"})
	assert.Equal(t, []Service{{Model: NameOf("m"), Caller: CallerOf("alice"), Requests: 1, Tokens: 25, At: at + 1000}}, p.Services, "it weighed more")
	p, _ = p.Apply(rules, at+1500, Use{Model: "m", ID: 7, Reserved: r.Reservation, Tokens: 5, Caller: "alice"})
	assert.Len(t, p.Services, 1, "and goes on")
	p, _ = served(t, p, at+2000, "alice", 30, 0)
	assert.Empty(t, p.Services, "until nobody does any more")
}

func TestServicesAreOfCallersThatShare(t *testing.T) {
	const at = Instant(1_750_000_000_000)
	var p *Project
	for i := range Instant(3) {
		p, _ = served(t, p, at+i, "alice", 10, 0)
	}
	assert.Empty(t, p.Services, "one caller alone")
	p, r := served(t, p, at+5000, "bob", 20, 7)
	p, _ = served(t, p, at+6500, "alice", 30, 0)
	m := NameOf("m")
	bob, alice := Service{Model: m, Caller: CallerOf("bob"), Requests: 1, Tokens: 20, Level: 7, At: at + 5000}, Service{Model: m, Caller: CallerOf("alice"), Requests: 1, Tokens: 30, At: at + 6000}
	assert.Equal(t, []Service{bob, alice}, p.Services, "the last served is the last, at whole seconds")

	p, _ = served(t, p, at+7000, "bob", 20, 3)
	bob.Requests, bob.Tokens, bob.At = 2, 40, at+7000
	assert.Equal(t, []Service{alice, bob}, p.Services, "the highest level holds")

	rules := &Rules{Policy: NewPolicy([]string{"m"}, nil)}
	settled, _ := p.Apply(rules, at+8000, Settle{Model: "m", ID: r.ID, Reserved: r, Tokens: 25, Caller: "bob"})
	assert.EqualValues(t, 45, settled.Services[1].Tokens, "what it turned out to weigh")
	p, _ = p.Apply(rules, at+8000, Cancel{Model: "m", ID: r.ID, Reserved: r, Caller: "bob"})
	bob.Requests, bob.Tokens = 1, 20
	assert.Equal(t, []Service{alice, bob}, p.Services, "given back, and not served meanwhile")

	p, _ = served(t, p, at.Add(ServiceFor)+6500, "bob", 1, 0)
	assert.Len(t, p.Services, 1, "alice is forgotten after a while")
	assert.EqualValues(t, 2, p.Services[0].Requests)
	p, _ = served(t, p, at.Add(2*ServiceFor)+6500, "bob", 1, 0)
	assert.EqualValues(t, 1, p.Services[0].Requests, "and so is he")

	p, _ = served(t, p, at.Add(24*time.Hour), "bob", 1, 0)
	assert.Empty(t, p.Services, "nobody else came on this day")
}

func TestServicesAreBounded(t *testing.T) {
	const at = Instant(1_750_000_000_000)
	var p *Project
	for i := range 3 * MaxServices {
		p, _ = served(t, p, at.Add(time.Duration(i)*time.Second), fmt.Sprint("caller-", i), 10, 0)
	}
	require.Len(t, p.Services, MaxServices)
	assert.Equal(t, CallerOf(fmt.Sprint("caller-", 2*MaxServices)), p.Services[0].Caller, "those that were served last")
}

// An older build wrote the upper bits of IDs by the same rule.
func TestCallerOf(t *testing.T) {
	assert.Zero(t, CallerOf(""))
	assert.EqualValues(t, 0x2845955d, CallerOf("alice"))
	assert.Less(t, CallerOf("alice"), uint32(1<<31))
}
