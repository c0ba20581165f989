package standing

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/scheduler"
)

const (
	model = "openai/gpt-5.5"
	now   = scheduler.Instant(1_796_000_000_000)
)

// told is what an answer says of a limit of a minute.
func told(of ratelimits.Dimension, limit, remaining int64) ratelimits.Limit {
	return ratelimits.Limit{Dimension: of, Tier: ratelimits.Standard, Per: time.Minute, Limit: limit, Remaining: remaining}
}

// rulesOf returns rules in which an operator has named limits of requests and tokens; 0: none.
func rulesOf(rpm, tpm int64) *scheduler.Rules {
	var o scheduler.Override
	if rpm > 0 {
		o.RPM = &rpm
	}
	if tpm > 0 {
		o.TPM = &tpm
	}
	return &scheduler.Rules{Policy: scheduler.NewPolicy(nil, map[string]scheduler.Override{model: o}), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
}

func TestChanges(t *testing.T) {
	other := told(ratelimits.Requests, 7, 0)
	other.Tier++
	of := func(per time.Duration, l ratelimits.Limit) ratelimits.Limit {
		l.Per = per
		return l
	}
	share := func(l ratelimits.Limit) ratelimits.Limit {
		l.Tier = ratelimits.Share
		return l
	}
	month := of(30*day, told(ratelimits.Requests, 7, 0))
	evenly := of(day, told(ratelimits.Requests, 7000, 7000))
	evenly.Refills = true
	midnight := of(day, told(ratelimits.Requests, 7000, 7000))
	midnight.Reset = now.Time().Truncate(day).Add(day)
	learned := func(rpm, tpm int64) scheduler.Change {
		return scheduler.RecordRefusal{Model: model, Limits: scheduler.Limits{RPM: rpm, TPM: tpm}}
	}
	// What they weigh with the request, which is one of 100 tokens.
	// An eighth of others' is left free beside them.
	others := map[string][2]int64{"others' requests": {1 + 6 + 1, 100 + 3900 + 488}, "others' tokens": {1, 100 + 3900 + 488}}
	for name, c := range map[string]struct {
		rules *scheduler.Rules
		told  []ratelimits.Limit
		want  []scheduler.Change
	}{
		"nothing":                           {rulesOf(0, 0), nil, nil},
		"limits":                            {rulesOf(0, 0), []ratelimits.Limit{told(ratelimits.Requests, 500, 499), told(ratelimits.Tokens, 9000, 8900)}, []scheduler.Change{learned(500, 9000)}},
		"input tokens by themselves":        {rulesOf(0, 0), []ratelimits.Limit{told(ratelimits.InputTokens, 4000, 4000), told(ratelimits.Tokens, 9000, 9000)}, []scheduler.Change{learned(0, 4000)}},
		"an operator's is lower":            {rulesOf(10, 0), []ratelimits.Limit{told(ratelimits.Requests, 500, 499)}, nil},
		"an operator's is higher":           {rulesOf(1000, 0), []ratelimits.Limit{told(ratelimits.Requests, 500, 499)}, []scheduler.Change{learned(500, 0)}},
		"another tier's":                    {rulesOf(0, 0), []ratelimits.Limit{other}, nil},
		"a share, which is less":            {rulesOf(0, 0), []ratelimits.Limit{told(ratelimits.Tokens, 9000, 8900), share(told(ratelimits.Tokens, 4000, 3900))}, []scheduler.Change{learned(0, 4000)}},
		"a share, which is more":            {rulesOf(0, 0), []ratelimits.Limit{told(ratelimits.Tokens, 4000, 3900), share(told(ratelimits.Tokens, 9000, 8900))}, []scheduler.Change{learned(0, 4000)}},
		"a share, and nothing else":         {rulesOf(0, 0), []ratelimits.Limit{share(told(ratelimits.Tokens, 4000, 3900))}, []scheduler.Change{learned(0, 4000)}},
		"a share, of which nothing is said": {rulesOf(0, 0), []ratelimits.Limit{told(ratelimits.Tokens, 9000, 8900), share(told(ratelimits.Tokens, -1, -1))}, []scheduler.Change{learned(0, 9000)}},
		"others' part of the whole, beside a share": {rulesOf(0, 0), []ratelimits.Limit{told(ratelimits.Tokens, 9000, 2000), share(told(ratelimits.Tokens, 4000, 3900))}, []scheduler.Change{
			learned(0, 4000), scheduler.Heard{Model: model, ID: 9, Used: scheduler.Demand{Tokens: 2000 + 238}, Most: scheduler.Demand{Tokens: 1900 + 238}, Noise: 80, Longer: longer},
		}},
		"a month's": {rulesOf(0, 0), []ratelimits.Limit{month}, nil},
		"another window's, by which a minute's is bounded": {rulesOf(0, 0), []ratelimits.Limit{of(10*time.Second, told(ratelimits.Requests, 50, 50))}, []scheduler.Change{
			scheduler.RecordRefusal{Model: scheduler.OfWindow(model, 10*time.Second), Limits: scheduler.Limits{RPM: 50}}, learned(300, 0),
		}},
		"a day's, filled evenly":   {rulesOf(0, 0), []ratelimits.Limit{evenly}, []scheduler.Change{scheduler.RecordRefusal{Model: scheduler.OfBucket(model, day), Limits: scheduler.Limits{RPM: 7000}}}},
		"a day's, until midnight":  {rulesOf(0, 0), []ratelimits.Limit{midnight}, []scheduler.Change{scheduler.RecordRefusal{Model: scheduler.OfDay(model), Limits: scheduler.Limits{RPD: 7000}}}},
		"a day's, nobody says how": {rulesOf(0, 0), []ratelimits.Limit{of(day, told(ratelimits.Tokens, 7000, 7000))}, []scheduler.Change{scheduler.RecordRefusal{Model: scheduler.OfWindow(model, day), Limits: scheduler.Limits{TPM: 7000}}}},
		"others' requests": {rulesOf(0, 0), []ratelimits.Limit{told(ratelimits.Requests, 10, 3), told(ratelimits.Tokens, 9000, 5000)}, []scheduler.Change{
			learned(10, 9000), scheduler.Heard{Model: model, ID: 9, Used: scheduler.Demand{Requests: 7 + 1, Tokens: 4000 + 488}, Most: scheduler.Demand{Requests: 6 + 1, Tokens: 3900 + 488}, Noise: 180, Longer: longer},
		}},
		"others' tokens": {rulesOf(10, 9000), []ratelimits.Limit{told(ratelimits.Requests, 10, 9), told(ratelimits.Tokens, 9000, 5000)}, []scheduler.Change{
			scheduler.Heard{Model: model, ID: 9, Used: scheduler.Demand{Requests: 1, Tokens: 4000 + 488}, Most: scheduler.Demand{Tokens: 3900 + 488}, Noise: 180, Longer: longer},
		}},
		"counted otherwise than here": {rulesOf(10, 9000), []ratelimits.Limit{told(ratelimits.Requests, 10, 9), told(ratelimits.Tokens, 9000, 8900-180)}, nil},
		"less than is under way":      {rulesOf(10, 0), []ratelimits.Limit{told(ratelimits.Requests, 10, 10)}, nil},
		"not said":                    {rulesOf(10, 0), []ratelimits.Limit{told(ratelimits.Requests, -1, -1), told(ratelimits.Tokens, 9000, -1)}, []scheduler.Change{learned(0, 9000)}},
	} {
		p, result := (*scheduler.Project)(nil).Apply(c.rules, now, scheduler.Reserve{Model: model, ID: 1, Over: true, Demand: scheduler.Demand{Tokens: 100}})
		assert.Equal(t, scheduler.Admitted, result.Verdict)
		got := after(p, c.rules, now+1000, c.told)
		assert.Equal(t, c.want, got, name)
		// They are told of once: the next answer that says the same changes nothing.
		for _, change := range got {
			p, _ = p.Apply(c.rules, now+1000, change)
		}
		if want, ok := others[name]; ok {
			assert.Equal(t, want, inWindow(p, c.rules), name)
		}
		assert.Empty(t, after(p, c.rules, now+1001, c.told), name)
	}
}

// Where somebody else is known to use the limits, an answer after a while says that it isn't unknown what others use, though
// it tells of nothing more. An answer that doesn't say what is left doesn't.
func TestHeardAgain(t *testing.T) {
	rules := rulesOf(10, 0)
	r, tells := NewRecord(), []ratelimits.Limit{told(ratelimits.Requests, 10, 3)}
	p, _ := (*scheduler.Project)(nil).Apply(rules, now, scheduler.Reserve{Model: model, ID: 1, Demand: scheduler.Demand{Tokens: 100}})
	later := now
	hear := func(after time.Duration, l ...ratelimits.Limit) []scheduler.Change {
		sent := r.counted("p", p, rules, later, model)
		later = later.Add(after)
		changes := r.Changes("p", p, rules, later, Heard{model, "", l, sent}, nine)
		for _, change := range changes {
			p, _ = p.Apply(rules, later, change)
		}
		return changes
	}
	assert.Len(t, hear(0, tells...), 1)
	assert.Empty(t, hear(time.Second, tells...))
	assert.Empty(t, hear(20*time.Second, told(ratelimits.Requests, 10, -1)))
	again := hear(0, tells...)
	assert.Len(t, again, 1)
	assert.IsType(t, scheduler.Heard{}, again[0])
	assert.Empty(t, hear(0, tells...), "that is known")
}

// A window that is full is whole again after as long as a bucket that is empty. So of a limit of which only resets tell how
// it is enforced that shows nothing, and what has shown something counts.
func TestFullWindowIsNoBucket(t *testing.T) {
	rules := rulesOf(0, 0)
	rules.Skew, rules.Hold = scheduler.DefaultSkew, scheduler.DefaultHold
	window, bucket := scheduler.OfWindow(model, time.Hour), scheduler.OfBucket(model, time.Hour)
	for name, c := range map[string]struct {
		told   [][2]int64 // what remains of 90, and the seconds until they are whole again
		window bool
		bucket bool
	}{
		"a window that gets full":                    {[][2]int64{{89, 3600}, {40, 3600}, {0, 3600}}, true, false},
		"a window that is full at first":             {[][2]int64{{0, 3600}, {40, 3600}, {0, 3600}}, true, false},
		"one that begins anew, where both say alike": {[][2]int64{{80, 3500}, {45, 1800}, {0, 1700}}, true, false},
		"a bucket that gets empty":                   {[][2]int64{{89, 40}, {40, 2000}, {0, 3600}}, false, true},
	} {
		p, r := (*scheduler.Project)(nil), NewRecord()
		for i, said := range c.told {
			at := now + scheduler.Instant(i)*1000
			h := http.Header{"X-Ratelimit-Limit-Requests-Hour": {"90"}, "X-Ratelimit-Remaining-Requests-Hour": {strconv.FormatInt(said[0], 10)}, "X-Ratelimit-Reset-Requests-Hour": {strconv.FormatInt(said[1], 10)}}
			heard := Heard{model, "", ratelimits.Read(h, at.Time(), ratelimits.Cerebras).Limits, r.counted("p", p, rules, at, model)}
			for _, change := range r.Changes("p", p, rules, at, heard, nine) {
				p, _ = p.Apply(rules, at, change)
			}
		}
		assert.Equal(t, c.window, p.Has(window), name)
		assert.Equal(t, c.bucket, p.Has(bucket), name)
	}
	// What another instance has found out counts here too.
	p, _ := (*scheduler.Project)(nil).Apply(rules, now, scheduler.RecordRefusal{Model: bucket, Limits: scheduler.Limits{RPM: 90}})
	empty := ratelimits.Limit{Dimension: ratelimits.Requests, Per: time.Hour, Refills: true, Limit: 90, Remaining: 0, Reset: now.Time().Add(time.Hour)}
	for _, change := range after(p, rules, now, []ratelimits.Limit{empty}) {
		p, _ = p.Apply(rules, now, change)
	}
	assert.False(t, p.Has(window))
}

// That a calendar has no place is told once a day, however often it is found.
func TestCrowdedIsToldOnce(t *testing.T) {
	r := NewRecord()
	assert.True(t, r.tellsCrowded("p m", now))
	assert.False(t, r.tellsCrowded("p m", now.Add(23*time.Hour)))
	assert.True(t, r.tellsCrowded("p n", now))
	assert.True(t, r.tellsCrowded("p m", now.Add(24*time.Hour)))
}

// after returns the changes after an answer that comes at once, to one that was sent with the
// first.
func after(p *scheduler.Project, rules *scheduler.Rules, now scheduler.Instant, told []ratelimits.Limit) []scheduler.Change {
	r := NewRecord()
	return r.Changes("p", p, rules, now, Heard{model, "", told, r.counted("p", p, rules, now, model)}, nine)
}

func nine() uint64 { return 9 }

// Outputs that are limited by themselves are learned beside the model. What is said of them is as
// of when the request came: until it is answered more is there again, and what this instance has
// reserved for it is nobody else's.
func TestOutputs(t *testing.T) {
	rules, outputs := rulesOf(0, 0), scheduler.OfOutputs(model)
	say := func(remaining int64) []ratelimits.Limit {
		return []ratelimits.Limit{told(ratelimits.InputTokens, 90_000, 90_000), told(ratelimits.OutputTokens, 6000, remaining)}
	}
	p, _ := (*scheduler.Project)(nil).Apply(rules, now, scheduler.Reserve{Model: model, ID: 1})
	later := func(at scheduler.Instant, remaining int64) []scheduler.Change {
		return NewRecord().Changes("p", p, rules, now+20_000, Heard{model, "", say(remaining), Sent{at: at}}, nine)
	}
	first := later(now, 3000)
	assert.Equal(t, []scheduler.Change{
		scheduler.RecordRefusal{Model: model, Limits: scheduler.Limits{TPM: 90_000}},
		scheduler.RecordRefusal{Model: outputs, Limits: scheduler.Limits{TPM: 6000}},
		scheduler.Heard{Model: outputs, ID: 9, Used: scheduler.Demand{Tokens: 1000 + 125}, Most: scheduler.Demand{Tokens: 3000 + 125}, Noise: 120, Longer: longer},
	}, first, "of 3,000 that were used 2,000 are there again in 20 s")
	for _, change := range first {
		p, _ = p.Apply(rules, now+20_000, change)
	}
	_, tokens := p.Calendar(outputs).InWindow(rules, now+20_000)
	assert.EqualValues(t, 1000+125, tokens)
	assert.Empty(t, later(now, 3000), "it is told of once")
	assert.Empty(t, later(now-60_000, 0), "all of it is there again")

	own := []scheduler.Weight{{On: outputs, Demand: scheduler.Demand{Tokens: 2000, Allowance: 20 * time.Second}, IfKnown: true}}
	p, result := p.Apply(rules, now+20_000, scheduler.Reserve{Model: model, ID: 2, Also: own})
	assert.Equal(t, scheduler.Admitted, result.Verdict)
	assert.Len(t, result.Also, 1)
	assert.Empty(t, later(now+20_000, 4900), "what is reserved isn't put out yet")
}

func inWindow(p *scheduler.Project, rules *scheduler.Rules) [2]int64 {
	requests, tokens := p.Calendar(model).InWindow(rules, now+1000)
	return [2]int64{requests, tokens}
}

// What another instance has sent since this one looked, and another answer has told already, is
// no stranger's.
func TestSentMeanwhile(t *testing.T) {
	rules := rulesOf(10, 9000)
	send := func(p *scheduler.Project, id uint64) *scheduler.Project {
		p, _ = p.Apply(rules, now, scheduler.Reserve{Model: model, ID: id, Demand: scheduler.Demand{Tokens: 300}})
		return p
	}
	seen := send(nil, 1)
	p, r := send(seen, 2), NewRecord()
	for id, remaining := range []int64{7, 6} { // one is a stranger's, and then two are
		limits := []ratelimits.Limit{told(ratelimits.Requests, 10, remaining), told(ratelimits.Tokens, 9000, 8000)}
		heard := Heard{model, "", limits, NewRecord().counted("p", seen, rules, now+1000, model)}
		for _, change := range r.Changes("p", seen, rules, now+1000, heard, func() uint64 { return uint64(9 + id) }) {
			p, _ = p.Apply(rules, now+1000, change)
		}
	}
	assert.Equal(t, [2]int64{4 + 1, 1000 + 88}, inWindow(p, rules), "with what is left free beside a stranger's")
}

// What was learned today is learned again tomorrow, or the limit would be tested by a request.
func TestLearnedEveryDay(t *testing.T) {
	rules, limits := rulesOf(0, 0), []ratelimits.Limit{told(ratelimits.Requests, 500, 500)}
	var p *scheduler.Project
	for day := range 3 {
		at := now.Add(time.Duration(day) * 24 * time.Hour)
		changes := after(p, rules, at, limits)
		assert.Len(t, changes, 1)
		for _, change := range changes {
			p, _ = p.Apply(rules, at, change)
		}
		assert.Empty(t, after(p, rules, at.Add(time.Second), limits))
	}
}

// A limit has fallen while requests were under way, of which one was refused. What the others' answers say is as of
// before that, and raises it no more; what an answer says to a request that was sent since then does.
func TestOlderAnswersRaiseNoLimit(t *testing.T) {
	for name, c := range map[string]struct {
		sent  scheduler.Instant
		says  int64
		holds int64
	}{
		"sent before":             {now - 1000, 12, 6},
		"sent as it was learned":  {now, 12, 6}, // which came first isn't known
		"sent since":              {now + 1, 12, 12},
		"sent before, yet lower":  {now - 1000, 4, 4},
		"sent since, and is less": {now + 1, 4, 4},
	} {
		for _, of := range []ratelimits.Dimension{ratelimits.Requests, ratelimits.Tokens} {
			rules := rulesOf(0, 0)
			p, _ := (*scheduler.Project)(nil).Apply(rules, now, scheduler.RecordRefusal{Model: model, Limits: scheduler.Limits{RPM: 6, TPM: 6}})
			heard := Heard{model, "", []ratelimits.Limit{told(of, c.says, -1)}, Sent{at: c.sent}}
			for _, change := range NewRecord().Changes("p", p, rules, now+2000, heard, nine) {
				p, _ = p.Apply(rules, now+2000, change)
			}
			learned := p.Calendar(model).Learned
			got := learned.RPM.Limit
			if of == ratelimits.Tokens {
				got = learned.TPM.Limit
			}
			assert.Equal(t, c.holds, got, "%s, %v", name, of)
		}
	}
}

// What others have sent weighs a little longer than a window, and what they send meanwhile weighs
// beside it, though no more is used than before.
func TestOthersAreRenewed(t *testing.T) {
	rules, r := rulesOf(10, 0), NewRecord()
	var p *scheduler.Project
	hear := func(at scheduler.Instant, remaining int64) {
		sent := r.counted("p", p, rules, at, model)
		for _, change := range r.Changes("p", p, rules, at, Heard{model, "", []ratelimits.Limit{told(ratelimits.Requests, 10, remaining)}, sent}, func() uint64 { return uint64(at) }) {
			p, _ = p.Apply(rules, at, change)
		}
	}
	weighs := func(at scheduler.Instant) int64 {
		n, _ := p.Calendar(model).InWindow(rules, at)
		return n
	}
	second := scheduler.Instant(1000)
	hear(now, 7)
	assert.EqualValues(t, 3+1, weighs(now), "an eighth is left free")
	hear(now+65*second, 7)
	assert.EqualValues(t, 2*(3+1), weighs(now+65*second), "three others, of which a minute ago nobody knew")
	assert.EqualValues(t, 3+1, weighs(now+80*second), "the first are over")
	hear(now+90*second, 10)
	assert.EqualValues(t, 3+1, weighs(now+90*second), "what weighs is kept, though they have gone")
	assert.Zero(t, weighs(now+65*second+75*second+scheduler.Instant(rules.Skew/time.Millisecond)))
}

// What others have sent came before the request that was answered, however long its answer took: from a window after that
// on it is others of theirs that are told, which weigh for a window of their own.
func TestOthersAreAsOldAsTheirRequest(t *testing.T) {
	rules, r := rulesOf(10, 0), NewRecord()
	var p *scheduler.Project
	hear := func(sent, at scheduler.Instant, remaining int64) {
		s := r.counted("p", p, rules, sent, model)
		for _, change := range r.Changes("p", p, rules, at, Heard{model, "", []ratelimits.Limit{told(ratelimits.Requests, 10, remaining)}, s}, func() uint64 { return uint64(at) }) {
			p, _ = p.Apply(rules, at, change)
		}
	}
	weighs := func(at scheduler.Instant) int64 {
		n, _ := p.Calendar(model).InWindow(rules, at)
		return n
	}
	second := scheduler.Instant(1000)
	hear(now, now+10*second, 7)
	assert.EqualValues(t, 2+1, weighs(now+10*second), "one may be there again")
	hear(now+63*second, now+63*second, 7)
	assert.EqualValues(t, 3+1, weighs(now+100*second), "three others, for those have left the window")
}

// Of limits that are filled evenly it is compared what is missing: others are seen while what was
// sent here has been refilled. Those whose reset says otherwise are taken for windows.
func TestOthersAtABucket(t *testing.T) {
	for name, c := range map[string]struct {
		reset  time.Duration
		others int64
	}{"a bucket": {30 * time.Second, 4}, "a window": {time.Minute, 0}} {
		rules, r := rulesOf(10, 0), NewRecord()
		p, _ := (*scheduler.Project)(nil).Apply(rules, now, scheduler.Reserve{Model: model, ID: 1, Over: true, Demand: scheduler.Demand{Requests: 6}})
		at := now + 30_000 // of the six one is missing still
		l := told(ratelimits.Requests, 10, 5)
		l.Bucket, l.Reset = true, at.Time().Add(c.reset)
		got := r.Changes("p", p, rules, at, Heard{model, "", []ratelimits.Limit{l}, r.counted("p", p, rules, at, model)}, nine)
		if c.others == 0 {
			assert.Empty(t, got, name)
			continue
		}
		if assert.Len(t, got, 1, name) {
			heard := got[0].(scheduler.Heard)
			assert.True(t, heard.Evenly, name)
			assert.Equal(t, c.others+1, heard.Most.Requests, name)
		}
	}
}

// A request that was refused is counted here, and wasn't there.
func TestRefusedIsNoneOfThem(t *testing.T) {
	rules, r := rulesOf(10, 0), NewRecord()
	p, result := (*scheduler.Project)(nil).Apply(rules, now, scheduler.Reserve{Model: model, ID: 1, Over: true, Demand: scheduler.Demand{Requests: 1}})
	grant := &admission.Grant{Model: model, Reservation: result.Reservation}
	sent := r.counted("p", p, rules, now, model)
	heard := Heard{model, "", []ratelimits.Limit{told(ratelimits.Requests, 10, 0)}, sent.Answered(grant, http.StatusTooManyRequests, 0)}
	got := r.Changes("p", p, rules, now, heard, nine)
	if assert.Len(t, got, 1) {
		assert.EqualValues(t, 10+2, got[0].(scheduler.Heard).Most.Requests, "all ten are others'")
	}
}

// Two keys of one organisation with different shares of its limit don't take turns in what is believed: what both
// may use holds, until the lower is raised, or isn't heard of for a day.
func TestSharesOfSeveralKeys(t *testing.T) {
	rules, r := rulesOf(100, 0), NewRecord()
	var p *scheduler.Project
	hear := func(at scheduler.Instant, key string, limit, remaining int64) (changes int) {
		limits := []ratelimits.Limit{told(ratelimits.Tokens, 20_000, 20_000)}
		if limit > 0 {
			own := told(ratelimits.Tokens, limit, remaining)
			own.Tier = ratelimits.Share
			limits = append(limits, own)
		}
		all := r.Changes("p", p, rules, at, Heard{model, key, limits, r.counted("p", p, rules, at, model)}, nine)
		for _, change := range all {
			p, _ = p.Apply(rules, at, change)
		}
		return len(all)
	}
	tpm := func(at scheduler.Instant) int64 { return p.Calendar(model).EffectiveLimits(rules, at).TPM }
	hear(now, "of research", 9000, 9000)
	assert.EqualValues(t, 9000, tpm(now))
	hear(now+1, "of support", 4000, 4000)
	assert.EqualValues(t, 4000, tpm(now+1))
	assert.Zero(t, hear(now+2, "of research", 9000, 9000), "and nothing is written")
	assert.Zero(t, hear(now+3, "of nobody", 0, 0), "who has all of it")
	assert.EqualValues(t, 4000, tpm(now+3))
	hear(now+4, "of research", 9000, 3500)
	_, used := p.Calendar(model).InWindow(rules, now+4)
	assert.EqualValues(t, 500+63, used, "3,500 are left of a share that is larger than the least, with an eighth left free")
	hear(now+5, "of support", 5000, 5000)
	assert.EqualValues(t, 5000, tpm(now+5), "it is raised")
	hear(now.Add(25*time.Hour), "of research", 9000, 9000)
	assert.EqualValues(t, 9000, tpm(now.Add(25*time.Hour)), "the other key isn't used any more")
}

// A limit whose period nobody says is no calendar's, but that nothing is left of it is believed until its reset, and
// for an hour at most.
func TestUsedUp(t *testing.T) {
	rules := rulesOf(100, 0)
	p, _ := (*scheduler.Project)(nil).Apply(rules, now, scheduler.Reserve{Model: model, ID: 1})
	for name, c := range map[string]struct {
		remaining int64
		reset     time.Duration
		refused   bool
		want      scheduler.Block
	}{
		"something is left": {remaining: 1, reset: 30 * time.Second},
		"nothing is left":   {reset: 30 * time.Second, want: scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(30 * time.Second)}},
		"for a day":         {reset: 20 * time.Hour, want: scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(time.Hour), Strikes: 1}},
		"it is over":        {reset: -time.Second},
		"a refusal":         {reset: 30 * time.Second, refused: true},
	} {
		l := told(ratelimits.Requests, 100, c.remaining)
		l.Per, l.Reset = 0, now.Time().Add(c.reset)
		heard := Heard{model, "", []ratelimits.Limit{l}, NewRecord().counted("p", p, rules, now, model)}
		if c.refused {
			heard.Sent.refused = map[string]scheduler.Demand{}
		}
		q := p
		for _, change := range NewRecord().Changes("p", p, rules, now, heard, nine) {
			q, _ = q.Apply(rules, now, change)
		}
		assert.Equal(t, c.want, q.Calendar(model).Block, name)
		assert.Empty(t, NewRecord().Changes("p", q, rules, now, heard, nine), "%s: once", name)
		l.Per = time.Minute
		heard.Limits = []ratelimits.Limit{l}
		for _, change := range NewRecord().Changes("p", p, rules, now, heard, nine) {
			q, _ = p.Apply(rules, now, change)
			assert.Zero(t, q.Calendar(model).Block, "of a minute the calendar knows")
		}
	}
}
