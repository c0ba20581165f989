package packing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/scheduler"
)

const (
	now   = scheduler.Instant(1_000_000_000)
	model = "m"
)

func rulesOf(rpm, tpm int64) *scheduler.Rules {
	unlimited := scheduler.Unlimited
	return &scheduler.Rules{
		Policy: scheduler.NewPolicy([]string{model}, map[string]scheduler.Override{model: {RPM: &rpm, TPM: &tpm, RPD: &unlimited}}),
		Skew:   scheduler.DefaultSkew, Hold: scheduler.DefaultHold,
	}
}

// A sent is a request that counts for so many seconds more.
type sent struct{ tokens, seconds int64 }

func project(id string, all ...sent) scheduler.Candidate {
	c := &scheduler.Calendar{Model: model}
	for _, x := range all {
		end := now + scheduler.Instant(1000*x.seconds)
		c.Sent = append(c.Sent, &scheduler.Reservation{ID: uint64(len(c.Sent) + 1), Start: end - 60_500, End: end, Tokens: x.tokens, Requests: 1})
	}
	return scheduler.Candidate{ID: id, State: &scheduler.Project{Calendars: []*scheduler.Calendar{c}}}
}

// few has one request left and 920 tokens, many has eight and 100.
func few() scheduler.Candidate {
	return project("few", []sent{{10, 30}, {10, 31}, {10, 32}, {10, 33}, {10, 34}, {10, 35}, {10, 36}, {5, 37}, {5, 38}}...)
}
func many() scheduler.Candidate { return project("many", sent{450, 30}, sent{450, 40}) }

func ids(all []scheduler.Candidate) (out []string) {
	for _, c := range all {
		out = append(out, c.ID)
	}
	return out
}

// A small request goes where tokens are short, a large one where requests are.
func TestEvenly(t *testing.T) {
	rules := rulesOf(10, 1000)
	for tokens, want := range map[int64][]string{10: {"many", "empty", "few"}, 900: {"few", "empty", "many"}} {
		all := []scheduler.Candidate{few(), project("empty"), many()}
		if tokens == 900 {
			all[0], all[2] = all[2], all[0]
		}
		Evenly(rules, now, all, model, scheduler.Demand{Tokens: tokens})
		assert.Equal(t, want, ids(all), "%d tokens", tokens)
	}
	for _, unlimited := range []*scheduler.Rules{rulesOf(scheduler.Unlimited, scheduler.Unlimited), rulesOf(0, scheduler.Unlimited)} {
		all := []scheduler.Candidate{few(), project("empty"), many(), {ID: "unknown"}}
		Evenly(unlimited, now, all, model, scheduler.Demand{Tokens: 10})
		assert.Equal(t, []string{"few", "empty", "many", "unknown"}, ids(all), "where there is no limit the order stays")
	}
}

// Much is left where it is more than a tenth of a minute, in requests or tokens, beside the request.
func TestMuchLeft(t *testing.T) {
	rules, blocked := rulesOf(10, 1000), project("blocked")
	blocked.State.Calendar(model).Block.Until = now + 1
	all := []scheduler.Candidate{project("a", sent{600, 30}), project("b", sent{900, 30}), blocked} // 500 of 2,000 tokens
	assert.True(t, MuchLeft(rules, now, all, model, scheduler.Demand{Tokens: 299}))
	assert.False(t, MuchLeft(rules, now, all, model, scheduler.Demand{Tokens: 300}))
	all = []scheduler.Candidate{few()} // 920 tokens for a single request
	assert.False(t, MuchLeft(rules, now, all, model, scheduler.Demand{Tokens: 1}))
	blocked.State.Calendar(model).Block.Until = now
	assert.True(t, MuchLeft(rules, now, append(all, blocked), model, scheduler.Demand{Tokens: 700}))
	assert.False(t, MuchLeft(rulesOf(10, scheduler.Unlimited), now, all, model, scheduler.Demand{}), "no tokens are short")
	assert.True(t, MuchLeft(rules, now, []scheduler.Candidate{project("empty")}, model, scheduler.Demand{Tokens: 1000}), "all of an empty minute")
	assert.False(t, MuchLeft(rules, now, []scheduler.Candidate{project("used", sent{150, 30})}, model, scheduler.Demand{Tokens: 850}))
}

func TestFitting(t *testing.T) {
	rules := rulesOf(10, 1000)
	full := project("full", sent{1000, 30})
	all := []scheduler.Candidate{few(), many(), full, {ID: "unknown"}}
	for _, c := range []struct {
		tokens, average int64
		fit             []string
		why             string
	}{
		{10, 200, []string{"many", "full", "unknown"}, "it would leave 910 tokens and no request for them"},
		{735, 200, []string{"many", "full", "unknown"}, "less than four fifths of the 920"},
		{736, 200, []string{"few", "many", "full", "unknown"}, ""},
		{10, 1000, []string{"many", "full", "unknown"}, "however many those that wait have"},
		{10, 100, []string{"few", "many", "full", "unknown"}, "a minute's requests are used up before its tokens"},
	} {
		assert.Equal(t, c.fit, ids(Fitting(rules, now, all, model, scheduler.Demand{Tokens: c.tokens}, c.average)), "%d tokens: %s", c.tokens, c.why)
	}
	even := []scheduler.Candidate{project("even", sent{100, 30}, sent{100, 30})}
	assert.Len(t, Fitting(rules, now, even, model, scheduler.Demand{Tokens: 10}, 200), 1, "a tenth of the tokens is left for each request, as in an empty minute")
	assert.Len(t, Fitting(rulesOf(10, scheduler.Unlimited), now, all, model, scheduler.Demand{Tokens: 10}, 200), len(all))
}

func TestLarge(t *testing.T) {
	all := []scheduler.Candidate{few(), {ID: "unknown"}}
	assert.True(t, Large(rulesOf(10, 1000), now, all, model, 101))
	assert.False(t, Large(rulesOf(10, 1000), now, all, model, 100), "ten of them are all the tokens, and all the requests")
	assert.False(t, Large(rulesOf(10, scheduler.Unlimited), now, all, model, 101))
	assert.False(t, Large(rulesOf(scheduler.Unlimited, 1000), now, all, model, 101))
}

// A large request waits a little longer where less stands idle until its start.
func TestLeastIdle(t *testing.T) {
	rules := rulesOf(10, 1000)
	bits := project("bits", sent{180, 1}, sent{180, 2}, sent{180, 3}, sent{180, 4}, sent{180, 30})
	for _, c := range []struct {
		tokens, last int64
		project      string
		why          string
	}{
		{900, 30, "whole", "there nothing stands idle"},
		{900, 40, "whole", "ten seconds cost less than 720 tokens for half a minute"},
		{900, 51, "bits", "more than twenty seconds longer"},
		{90, 4, "bits", "it is small: what becomes free goes to others beside it"},
	} {
		whole := project("whole", sent{950, c.last})
		all := []scheduler.Candidate{bits, whole}
		req := scheduler.Request{Chain: []string{model}, Demand: scheduler.Demand{Tokens: c.tokens}, Queue: true}
		first, cause := scheduler.Plan(rules, now, all[:1], req, func(int) int { return 0 })
		assert.Equal(t, scheduler.NoCause, cause)
		if c.tokens == 900 {
			assert.Equal(t, 30*time.Second, first.Wait)
		}
		first.Rank = 2
		o := LeastIdle(rules, now, all, req, first)
		assert.Equal(t, c.project, o.Project, c.why)
		assert.Equal(t, 2, o.Rank, "it is the same model of the chain")
		if c.project == "whole" {
			assert.Equal(t, time.Duration(c.last)*time.Second, o.Wait)
		}
	}
}

// What is booked isn't free for what stands idle.
func TestIdle(t *testing.T) {
	rules := rulesOf(10, 1000)
	c := project("p", sent{400, 10}, sent{400, 20}).State.Calendars[0]
	assert.InDelta(t, 400*10+200*20, idle(rules, now, c, now+20_000, 1000), 1, "400 after ten seconds, and 200 all the time")
	assert.InDelta(t, 200*10, idle(rules, now, c, now+20_000, 600), 1, "others go beside it")
	c.Bookings = []scheduler.Booking{{ID: 1, Start: now + 30_000, Demand: scheduler.Demand{Tokens: 200}}}
	assert.InDelta(t, 400*10, idle(rules, now, c, now+20_000, 800), 1)
	c.Bookings[0].Start = now - 10_000
	assert.InDelta(t, 200*10, idle(rules, now, c, now+20_000, 600), 1, "its holder comes no more")
	assert.Zero(t, idle(rules, now, c, now, 0))
}
