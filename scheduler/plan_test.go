package scheduler_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A pool is some projects that share rules.
type pool struct {
	*testing.T
	rules    *Rules
	at       []*Project
	waitlist []map[string][]Booking
	id       uint64
}

func newPool(t *testing.T, projects int, limits map[string]Limits) *pool {
	p := &pool{T: t, rules: rulesFor(limits), at: make([]*Project, projects), waitlist: make([]map[string][]Booking, projects)}
	for i := range p.waitlist {
		p.waitlist[i] = make(map[string][]Booking)
	}
	return p
}

func (p *pool) candidates() []Candidate {
	all := make([]Candidate, len(p.at))
	for i, state := range p.at {
		all[i] = Candidate{ID: fmt.Sprint(i), State: state}
	}
	return all
}

func (p *pool) plan(now Instant, req Request) (Offer, Cause) {
	return Plan(p.rules, now, p.candidates(), p.waiting(req), func(int) int { return 0 })
}

// waiting returns the request with what callers were told.
func (p *pool) waiting(req Request) Request {
	req.Waitlist = func(project, model string) []Booking {
		i, err := strconv.Atoi(project)
		require.NoError(p, err)
		return p.waitlist[i][model]
	}
	return req
}

// send sends n requests of that many tokens on one project and model.
func (p *pool) send(now Instant, project int, model string, n int, tokens int64) {
	p.Helper()
	for range n {
		p.id++
		var result Result
		p.at[project], result = apply(p, p.rules, p.at[project], now, Reserve{Model: model, Demand: Demand{Tokens: tokens}, ID: p.id})
		require.Equal(p, Admitted, result.Verdict)
	}
}

func (p *pool) refuse(now Instant, project int, h RecordRefusal) {
	p.Helper()
	p.at[project], _ = apply(p, p.rules, p.at[project], now, h)
}

// where is what matters of an offer.
type where struct {
	project, model string
	wait           time.Duration
	cause          Cause
}

func at(o Offer) where { return where{o.Project, o.Model, o.Wait, o.Cause} }

var chain3 = map[string]Limits{
	"a-pro":   {RPM: 1, TPM: 1000, RPD: 2},
	"b-flash": {RPM: 1, TPM: 1000, RPD: 3},
	"c-lite":  {RPM: 1, TPM: 1000, RPD: 4},
}

func ask(tokens int64) Request {
	return Request{Chain: []string{"a-pro", "b-flash", "c-lite"}, Demand: Demand{Tokens: tokens}}
}

func patient(d time.Duration) Request {
	req := ask(1)
	req.MaxWait = &d
	return req
}

// TestChainOrder: the first model whose day is not spent serves a project, busy
// or not; the next one takes over on that project alone.
func TestChainOrder(t *testing.T) {
	p := newPool(t, 2, chain3)
	p.send(noon, 0, "a-pro", 1, 1)
	p.send(noon+30_000, 1, "a-pro", 1, 1)
	got, _ := p.plan(noon+40_000, ask(1))
	assert.Equal(t, where{"0", "a-pro", 21 * sec, ByRPM}, at(got), "the day isn't spent: wait, don't fall back")

	p.send(noon+70_000, 0, "a-pro", 1, 1)
	got, _ = p.plan(noon+80_000, ask(1))
	assert.Equal(t, where{"0", "b-flash", 0, ""}, at(got), "spent on 0: flash takes over there")
	p.send(noon+80_000, 0, "b-flash", 1, 1)
	got, _ = p.plan(noon+80_000, ask(1))
	assert.Equal(t, where{"1", "a-pro", 11 * sec, ByRPM}, at(got), "on 1 pro still serves")

	// Upstream says that the day is spent: the same, whatever we counted.
	p.refuse(noon+80_000, 1, RecordRefusal{Model: "a-pro", Block: Block{Cause: ByDay}})
	got, _ = p.plan(noon+80_000, ask(1))
	assert.Equal(t, where{"1", "b-flash", 0, ""}, at(got))

	// A model that is not to be had at all is passed over likewise.
	p.refuse(noon+80_000, 1, RecordRefusal{Model: "b-flash", Block: Block{Cause: Unavailable, Until: Never}})
	got, _ = p.plan(noon+80_000, ask(1))
	assert.Equal(t, where{"1", "c-lite", 0, ""}, at(got))

	// At midnight it begins anew.
	midnight := DayOf(noon).End()
	got, _ = p.plan(midnight+500, ask(1))
	assert.Equal(t, "a-pro", got.Model)
}

// TestBookingsSpendTheDay: what is promised is as good as gone, until its
// holder has not come.
func TestBookingsSpendTheDay(t *testing.T) {
	p := newPool(t, 1, chain3)
	p.send(noon, 0, "a-pro", 1, 1)
	var result Result
	p.at[0], result = apply(t, p.rules, p.at[0], noon, Reserve{Model: "a-pro", ID: 9, Book: true})
	require.Equal(t, Booked, result.Verdict)
	got, _ := p.plan(noon+1000, ask(1))
	assert.Equal(t, where{"0", "b-flash", 0, ""}, at(got))
	got, _ = p.plan(result.Start.Add(DefaultHold), ask(1))
	assert.Equal(t, where{"0", "b-flash", 0, ""}, at(got))
	got, _ = p.plan(result.Start.Add(DefaultHold)+1, ask(1))
	assert.Equal(t, where{"0", "a-pro", 0, ""}, at(got), "it didn't come, and nobody has written that down")
}

// TestChoice: earliest start, then rank, then chance.
func TestChoice(t *testing.T) {
	p := newPool(t, 3, map[string]Limits{"a-pro": {RPM: 1, TPM: 1000, RPD: Unlimited}, "b-flash": {RPM: 1, TPM: 1000, RPD: Unlimited}})
	req := ask(1)
	req.Chain = req.Chain[:2]
	p.refuse(noon, 0, RecordRefusal{Model: "a-pro", Block: Block{Cause: ByDay}})
	got, _ := p.plan(noon, req)
	assert.Equal(t, "a-pro", got.Model, "equally early: rank decides")
	p.send(noon, 1, "a-pro", 1, 1)
	p.send(noon+1000, 2, "a-pro", 1, 1)
	got, _ = p.plan(noon+2000, req)
	assert.Equal(t, where{"0", "b-flash", 0, ""}, at(got), "earlier beats rank")
	p.send(noon+2000, 0, "b-flash", 1, 1)
	got, _ = p.plan(noon+2000, req)
	assert.Equal(t, where{"1", "a-pro", 59 * sec, ByRPM}, at(got), "the earliest of all")

	// Chance gives every one of those that tie the same share.
	rnd := 0
	seen := make(map[string]int)
	for range 6 {
		offer, cause := Plan(p.rules, noon.Add(time.Hour), p.candidates()[1:], req, func(n int) int { rnd++; return rnd % n })
		require.Equal(t, NoCause, cause)
		seen[offer.Project]++
	}
	assert.Equal(t, map[string]int{"1": 3, "2": 3}, seen)
	n := 0
	Plan(p.rules, noon.Add(time.Hour), p.candidates()[1:], req, func(of int) int { n = of; return 0 })
	assert.Equal(t, 2, n, "drawn among all")
}

// TestMaxWait: with a limit to its patience a request walks the chain.
func TestMaxWait(t *testing.T) {
	p := newPool(t, 2, chain3)
	p.send(noon, 0, "a-pro", 1, 1)
	p.send(noon+5000, 1, "a-pro", 1, 1)
	p.send(noon+10_000, 0, "b-flash", 1, 1)
	now := noon + 40_000
	for _, c := range []struct {
		maxWait time.Duration
		want    where
	}{
		{0, where{"1", "b-flash", 0, ""}}, // whichever model is free now
		{20 * sec, where{"1", "b-flash", 0, ""}},
		{21 * sec, where{"0", "a-pro", 21 * sec, ByRPM}}, // the first of the chain
		{time.Hour, where{"0", "a-pro", 21 * sec, ByRPM}},
	} {
		got, _ := p.plan(now, patient(c.maxWait))
		assert.Equal(t, c.want, at(got), "%v", c.maxWait)
	}
	for i := range 2 {
		if i == 1 {
			p.send(now, i, "b-flash", 1, 1)
		}
		p.send(now, i, "c-lite", 1, 1)
	}
	got, _ := p.plan(now, patient(5*sec))
	assert.Equal(t, where{"0", "a-pro", 21 * sec, ByRPM}, at(got), "none in time: the earliest of all")

	// Those that tie within the limit are drawn from, too.
	p = newPool(t, 2, chain3)
	seen := make(map[string]bool)
	for i := range 4 {
		got, _ := Plan(p.rules, noon, p.candidates(), patient(0), func(int) int { return i % 2 })
		seen[got.Project] = true
	}
	assert.Len(t, seen, 2)
}

// TestWaitlist: whoever must wait is told a time after those told before; but
// nobody who can go now is kept from it.
func TestWaitlist(t *testing.T) {
	p := newPool(t, 1, chain3)
	p.send(noon, 0, "a-pro", 1, 1)
	p.rules.Policy = NewPolicy([]string{"a-pro"}, map[string]Override{"a-pro": {RPM: ptr[int64](1), RPD: ptr(Unlimited)}})
	req := Request{Chain: []string{"a-pro"}, Demand: Demand{Tokens: 1}}
	for i := range 4 {
		got, _ := p.plan(noon+500, req)
		assert.Equal(t, time.Duration(i)*61*sec+60*sec, got.Wait, "caller %d", i)
		p.waitlist[0]["a-pro"] = append(p.waitlist[0]["a-pro"], Booking{Start: got.Start, Demand: req.Demand})
	}
	got, _ := p.plan(noon+60_500, req)
	assert.Equal(t, where{"0", "a-pro", 0, ""}, at(got), "the waitlist keeps nothing")
	offers := Offers(p.rules, noon+60_500, p.candidates(), p.waiting(req))
	assert.Equal(t, where{"0", "a-pro", 244 * sec, ByRPM}, at(offers[0]), "what one would be told")
}

// TestExhausted: when every day is spent everywhere the wait is until the next
// Pacific midnight, and those told are spread over its first minutes.
func TestExhausted(t *testing.T) {
	for _, begin := range []string{"2026-06-15 20:00:00", "2026-03-07 20:00:00", "2026-10-31 20:00:00"} {
		p := newPool(t, 2, chain3)
		now := pacific(begin)
		for i := range 2 {
			for range 4 {
				for _, model := range []string{"a-pro", "b-flash", "c-lite"} {
					if p.at[i].Calendar(model).Used(p.rules, DayOf(now)) < chain3[model].RPD {
						p.send(now, i, model, 1, 1)
					}
				}
				now += 61_000
			}
		}
		midnight := DayOf(now).End()
		var told []where
		for range 8 {
			got, cause := p.plan(now, ask(1))
			require.Equal(t, NoCause, cause)
			assert.Equal(t, ByRPD, got.Cause)
			i := int(got.Project[0] - '0')
			p.waitlist[i][got.Model] = append(p.waitlist[i][got.Model], Booking{Start: got.Start, Demand: Demand{Tokens: 1}})
			told = append(told, where{"", got.Model, got.Start.Sub(midnight), ""})
		}
		const first = 1 * sec // the skew, in whole seconds
		assert.Equal(t, []where{
			{"", "a-pro", first, ""}, {"", "a-pro", first, ""}, {"", "b-flash", first, ""}, {"", "b-flash", first, ""},
			{"", "c-lite", first, ""}, {"", "c-lite", first, ""}, {"", "a-pro", first + 61*sec, ""}, {"", "a-pro", first + 61*sec, ""},
		}, told)
	}
}

// TestNoOffer: why a request fits nowhere, ever.
func TestNoOffer(t *testing.T) {
	p := newPool(t, 2, chain3)
	got, cause := p.plan(noon, ask(2<<20))
	assert.Equal(t, TooLarge, cause)
	assert.Equal(t, Offer{Start: Never, Cause: TooLarge}, got)
	assert.False(t, got.Now())

	_, cause = Plan(p.rules, noon, nil, ask(1), nil)
	assert.Equal(t, Unavailable, cause, "no project")
	_, cause = p.plan(noon, Request{Demand: Demand{Tokens: 1}})
	assert.Equal(t, Unavailable, cause, "no model")

	for i := range 2 {
		for model := range chain3 {
			p.refuse(noon, i, RecordRefusal{Model: model, Block: Block{Cause: Unavailable, Until: noon + 9000}})
		}
	}
	_, cause = p.plan(noon, ask(1))
	assert.Equal(t, Unavailable, cause)
	_, cause = p.plan(noon+9000, ask(1))
	assert.Equal(t, NoCause, cause)

	// Refused for its size on one project, it may still go to another.
	for i := range 2 {
		for model := range chain3 {
			p.refuse(noon+9000, i, RecordRefusal{Model: model, Oversize: 5000})
		}
	}
	_, cause = p.plan(noon+9000, ask(5000))
	assert.Equal(t, TooLarge, cause)
	p = newPool(t, 2, chain3)
	p.refuse(noon, 1, RecordRefusal{Model: "a-pro", Oversize: 5000})
	got, _ = p.plan(noon, ask(5000))
	assert.Equal(t, where{"0", "a-pro", 0, ""}, at(got))
}

// TestOffers lists what every model could do, in order.
func TestOffers(t *testing.T) {
	p := newPool(t, 2, chain3)
	p.send(noon, 1, "b-flash", 1, 1)
	var got []where
	for _, o := range Offers(p.rules, noon+10_000, p.candidates(), ask(1)) {
		got = append(got, at(o))
	}
	assert.Equal(t, []where{
		{"0", "a-pro", 0, ""}, {"0", "b-flash", 0, ""}, {"0", "c-lite", 0, ""},
		{"1", "a-pro", 0, ""}, {"1", "b-flash", 51 * sec, ByRPM}, {"1", "c-lite", 0, ""},
	}, got)
}

// Every project is planned for by its own rules.
func TestPlanByRulesOfProjects(t *testing.T) {
	const pro, noon = "gemini-2.5-pro", Instant(1_000_000_000)
	p := newPool(t, 2, map[string]Limits{pro: {RPM: 1, TPM: 1000, RPD: 100}})
	own := rulesFor(map[string]Limits{pro: {RPM: 2, TPM: 1000, RPD: 100}})
	p.rules.Projects = map[string]*Rules{"1": own}
	p.send(noon, 0, pro, 1, 10)
	p.rules = own
	p.send(noon, 1, pro, 1, 10)
	all := rulesFor(map[string]Limits{pro: {RPM: 1, TPM: 1000, RPD: 100}})
	all.Projects = map[string]*Rules{"1": own}
	p.rules = all
	o, cause := p.plan(noon, Request{Chain: []string{pro}, Demand: Demand{Tokens: 10}})
	require.Equal(t, NoCause, cause)
	assert.Equal(t, "1", o.Project)
	assert.True(t, o.Now())
	waits := map[string]bool{}
	for _, o := range Offers(p.rules, noon, p.candidates(), Request{Chain: []string{pro}, Demand: Demand{Tokens: 10}}) {
		waits[o.Project] = !o.Now()
	}
	assert.Equal(t, map[string]bool{"0": true, "1": false}, waits)
}

// Projects that are to be used first are, as long as they have room for the same model as
// soon; nobody waits for one of them, nor takes a worse model for it.
func TestPreference(t *testing.T) {
	const pro, flash, noon = "gemini-2.5-pro", "gemini-2.5-flash", Instant(1_000_000_000)
	limits := map[string]Limits{pro: {RPM: 1, TPM: 1000, RPD: 2}, flash: {RPM: 1, TPM: 1000, RPD: 2}}
	overrides := map[string]Override{}
	for model, l := range limits {
		overrides[model] = Override{RPM: &l.RPM, TPM: &l.TPM, RPD: &l.RPD}
	}
	of := func(tier Tier) *Rules {
		return &Rules{Policy: NewTierPolicy(tier, []string{pro, flash}, Layer{From: FromOperator, Overrides: overrides}), Skew: DefaultSkew, Hold: DefaultHold}
	}
	p := newPool(t, 4, limits) // 0 and 2 are free, 1 is paid for, of 3 nothing is known
	p.rules = of("")
	p.rules.Projects = map[string]*Rules{"0": of(FreeTier), "1": of(Tier1), "2": of(FreeTier)}
	req := Request{Chain: []string{pro, flash}, Demand: Demand{Tokens: 10}}
	chosen := func(prefer Preference) map[string]bool {
		p.rules.Prefer = prefer
		seen := map[string]bool{}
		for i := range 40 {
			o, cause := Plan(p.rules, noon, p.candidates(), p.waiting(req), func(n int) int { return i * 7 % n })
			require.Equal(t, NoCause, cause)
			seen[o.Project] = true
		}
		return seen
	}
	assert.Len(t, chosen(""), 4)
	assert.Equal(t, map[string]bool{"0": true, "2": true}, chosen(PreferFree))
	assert.Equal(t, map[string]bool{"1": true}, chosen(PreferPaid))
	req.Near = "3"
	assert.Equal(t, map[string]bool{"1": true}, chosen(PreferPaid), "what a conversation is near counts among equals")
	req.Near = "2"
	assert.Equal(t, map[string]bool{"2": true}, chosen(PreferFree))
	req.Near = ""

	p.send(noon.Add(-3*time.Minute), 0, pro, 1, 10)
	p.send(noon.Add(-90*time.Second), 0, pro, 1, 10)
	p.send(noon, 1, pro, 1, 10)
	others := chosen(PreferPaid)
	assert.NotContains(t, others, "1", "nobody waits for it")
	assert.NotContains(t, others, "0", "its day with the better model is spent")
	assert.Len(t, others, 2)
	assert.Equal(t, map[string]bool{"2": true}, chosen(PreferFree))
	p.send(noon, 2, pro, 1, 10)
	assert.Equal(t, map[string]bool{"3": true}, chosen(PreferFree), "which has room for the better model now")
}
