package scheduler_test

import (
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/scheduler/learned"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// startOnly is a desk whose model nobody named limits of: 5, 250,000 and 100, as its
// family has them.
func startOnly(t *testing.T) *desk {
	rules := defaultRules()
	rules.Policy = NewPolicy([]string{"m"}, nil)
	return &desk{T: t, rules: rules}
}

// answered settles an admitted request as answered.
func (d *desk) answered(now Instant, r Result) {
	d.Helper()
	d.do(now, Settle{Model: "m", ID: r.Reservation.ID, Reserved: r.Reservation, Tokens: r.Reservation.Tokens, SentAt: r.Start})
}

func (d *desk) limits(now Instant) EffectiveLimits {
	return d.p.Calendar("m").EffectiveLimits(d.rules, now)
}

// TestStart: a limit that is only a start is tried beyond by one request at a time, each
// of which raises it, until upstream refuses one.
func TestStart(t *testing.T) {
	for name, c := range map[string]struct {
		cause  Cause
		tokens int64         // of each request
		fill   int           // requests that the start admits
		apart  time.Duration // between them
		raised Limits        // by one probe
		twice  Limits        // by two
		named  Limits        // what a refusal says
		other  Limits        // what a refusal for another reason says
	}{
		"rpm": {ByRPM, 10, 5, 0, Limits{RPM: 6, TPM: 250_000, RPD: 100}, Limits{RPM: 7, TPM: 250_000, RPD: 100}, Limits{RPM: 6}, Limits{TPM: 9_000_000}},
		"tpm": {ByTPM, 100_000, 2, 0, Limits{RPM: 5, TPM: 350_000, RPD: 100}, Limits{RPM: 5, TPM: 450_000, RPD: 100}, Limits{TPM: 300_000}, Limits{RPM: 900}},
		"rpd": {ByRPD, 10, 100, 13 * time.Second, Limits{RPM: 5, TPM: 250_000, RPD: 101}, Limits{RPM: 5, TPM: 250_000, RPD: 102}, Limits{RPD: 101}, Limits{RPM: 900}},
	} {
		t.Run(name, func(t *testing.T) {
			var now Instant
			fill := func() *desk {
				d := startOnly(t)
				now = noon
				for range c.fill {
					now = now.Add(c.apart)
					r := d.reserve(now, c.tokens)
					require.Equal(t, Admitted, r.Verdict)
					require.Equal(t, NoCause, r.Probe)
					d.answered(now, r)
				}
				now = now.Add(c.apart)
				return d
			}
			probe := func(d *desk) Result {
				r := d.reserve(now, c.tokens)
				require.Equal(t, Admitted, r.Verdict)
				require.Equal(t, c.cause, r.Probe)
				require.Equal(t, Refused, d.reserve(now, c.tokens).Verdict, "one at a time")
				return r
			}
			again := func(d *desk) Result { // once what the limit now admits is used up
				for {
					now = now.Add(c.apart)
					r := d.reserve(now, c.tokens)
					require.Equal(t, Admitted, r.Verdict)
					if r.Probe != NoCause {
						return r
					}
					d.answered(now, r)
				}
			}
			t.Run("answered", func(t *testing.T) {
				d := fill()
				d.answered(now, probe(d))
				assert.Equal(t, c.raised, d.limits(now).Limits)
				d.answered(now, again(d))
				assert.Equal(t, c.twice, d.limits(now).Limits)
				assert.Equal(t, c.twice, d.limits(now.Add(6*24*time.Hour)).Limits, "it is kept")
			})
			t.Run("refused with its limit", func(t *testing.T) {
				d := fill()
				d.answered(now, probe(d))
				d.do(now, RecordRefusal{Model: "m", ID: again(d).Reservation.ID, Limits: c.named})
				assert.Equal(t, Refused, d.reserve(now, c.tokens).Verdict)
				got, after := d.limits(now), d.limits(now.Add(learned.LearnedFor-time.Second))
				assert.Equal(t, got, after, "for a week")
				assert.Subset(t, []int64{got.RPM, got.TPM, got.RPD}, []int64{max(c.named.RPM, c.named.TPM, c.named.RPD)})
			})
			t.Run("refused with no limit", func(t *testing.T) {
				d := fill()
				before := d.limits(now).Limits
				d.do(now, RecordRefusal{Model: "m", ID: probe(d).Reservation.ID})
				assert.Equal(t, Refused, d.reserve(now, c.tokens).Verdict)
				assert.Equal(t, before, d.limits(now).Limits)
				l := d.p.Calendar("m").Learned
				tomorrow := (DayOf(now) + 1).Start()
				assert.False(t, l.Limit(d.lastProbe(l)).Due(tomorrow-1), "not on this day")
				assert.True(t, l.Limit(d.lastProbe(l)).Due(tomorrow))
			})
			t.Run("refused for another reason", func(t *testing.T) {
				d := fill()
				before := d.limits(now)
				d.do(now, RecordRefusal{Model: "m", ID: probe(d).Reservation.ID, Limits: c.other})
				after := d.limits(now)
				assert.Equal(t, max(before.RPM, c.other.RPM), after.RPM)
				assert.Equal(t, max(before.TPM, c.other.TPM), after.TPM)
				assert.Zero(t, d.p.Calendar("m").Learned.Limit(c.cause).Limit, "nothing is known of this one yet")
			})
			t.Run("refused for another reason, without a number", func(t *testing.T) {
				d, reached := fill(), ByRPM
				if c.cause == ByRPM {
					reached = ByTPM
				}
				d.do(now, RecordRefusal{Model: "m", ID: probe(d).Reservation.ID, Reached: []Cause{reached}})
				assert.Zero(t, d.p.Calendar("m").Learned.Limit(c.cause).Limit, "nothing is known of this one yet")
			})
		})
	}
}

// lastProbe is the limit of which something is known.
func (d *desk) lastProbe(l Learned) Cause {
	d.Helper()
	for _, c := range []Cause{ByRPM, ByTPM, ByRPD} {
		if l.Limit(c).Limit > 0 {
			return c
		}
	}
	d.Fatal("nothing was learned")
	return NoCause
}

// TestNotBeyond: what somebody has named, and what others only keep, is not tried beyond.
func TestNotBeyond(t *testing.T) {
	t.Run("an operator's limit", func(t *testing.T) {
		d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: 50})
		d.reserve(noon, 10)
		assert.Equal(t, Refused, d.reserve(noon, 10).Verdict)
	})
	t.Run("bookings", func(t *testing.T) {
		d := newDesk(t, Limits{RPM: 5, TPM: 250_000, RPD: 100})
		for range 5 {
			d.reserve(noon, 10)
		}
		for range 5 {
			d.book(noon+1000, 10)
		}
		d.rules = startOnly(t).rules
		now := noon + 61_000 // what was sent is over, and holders are due
		assert.Equal(t, Refused, d.reserve(now, 10).Verdict, "an answer would prove nothing")
	})
	t.Run("a request larger than the limit", func(t *testing.T) {
		d := startOnly(t)
		d.reserve(noon, 200_000)
		assert.Equal(t, Refused, d.reserve(noon, 300_000).Verdict, "it goes when it is alone")
	})
	t.Run("a feature's limit", func(t *testing.T) {
		d := startOnly(t)
		feature := OfFeature("m", "search")
		d.rules.Specs = map[string]Spec{feature: {EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited},
			RPMFrom: FromDefault, TPMFrom: FromDefault, RPDFrom: FromDefault}}}
		want := []Verdict{Admitted, Refused}
		for i := range want {
			got := d.do(noon, Reserve{Model: "m", Demand: Demand{Tokens: 10}, ID: uint64(i + 1), Also: []Weight{{On: feature, Demand: Demand{Requests: 1}}}})
			assert.Equal(t, want[i], got.Verdict)
		}
	})
}

// Where another project has room nothing is tried.
func TestRoomBeforeProbes(t *testing.T) {
	d := startOnly(t)
	for range 5 {
		d.reserve(noon, 10)
	}
	req := Request{Chain: []string{"m"}, Demand: Demand{Tokens: 10}}
	for range 20 {
		offer, _ := Plan(d.rules, noon, []Candidate{{ID: "full", State: d.p}, {ID: "free"}}, req, func(int) int { return 0 })
		assert.Equal(t, "free", offer.Project)
	}
	offer, _ := Plan(d.rules, noon, []Candidate{{ID: "full", State: d.p}}, req, func(int) int { return 0 })
	assert.Equal(t, ByRPM, offer.Probe)
}

// A limit that upstream named above the start stays in force when it is put to the test.
func TestNamedAboveStart(t *testing.T) {
	d := startOnly(t)
	d.do(noon, RecordRefusal{Model: "m", Limits: Limits{RPM: 40}})
	assert.EqualValues(t, 40, d.limits(noon.Add(learned.LearnedFor)).RPM)
}

// A probe that is settled drops the limit that it went beyond, and weighs by what is in force
// then: a commit whose reply was lost, and that is made again, changes nothing.
func TestSettlingAProbeAgain(t *testing.T) {
	rules := defaultRules()
	rules.Policy = NewPolicy([]string{"m"}, map[string]Override{"m": {TPM: ptr(int64(250_000))}})
	old := LearnedLimit{Limit: 2000, At: noon.Add(-8 * 24 * time.Hour)}
	d := &desk{T: t, rules: rules, p: &Project{NextRank: 1, Calendars: []*Calendar{{Model: "m", Learned: Learned{TPM: old}}}}}
	require.Equal(t, NoCause, d.reserve(noon, 2000).Probe)
	r := d.reserve(noon, 1000)
	require.Equal(t, ByTPM, r.Probe)
	settle := Settle{Model: "m", ID: r.Reservation.ID, Reserved: r.Reservation, Tokens: 3300, SentAt: noon}
	once, result := d.p.Apply(rules, noon+1000, settle)
	require.True(t, result.Changed)
	require.Zero(t, once.Calendar("m").Learned.TPM.Limit)
	twice, result := once.Apply(rules, noon+1000, settle)
	assert.False(t, result.Changed)
	assert.Equal(t, once.Calendar("m").Sent, twice.Calendar("m").Sent)
}

// A probe of a day's limit goes once all that was sent within it has arrived and would have been refused: one that
// overtook it would be answered in its place, and raise the limit beyond what there is. Nor does the next go
// before it is known what upstream said of the one before, which takes as long to be recorded as that one took to be admitted.
func TestDaysProbeOvertakesNothing(t *testing.T) {
	d := startOnly(t)
	reserve := func(now Instant) Result {
		d.id++
		return d.do(now, Reserve{Model: "m", Demand: Demand{Tokens: 10, Allowance: 2 * time.Second}, ID: d.id})
	}
	now := noon
	for range 100 {
		now = now.Add(20 * time.Second)
		require.Equal(t, Admitted, reserve(now).Verdict)
	}
	require.EqualValues(t, 100, d.limits(now).RPD)
	soon := reserve(now + 2499)
	assert.Equal(t, Refused, soon.Verdict, "the last is on its way")
	assert.Equal(t, ByTest, soon.Cause)
	assert.Equal(t, now+3499, soon.Start)
	now += 2500
	require.Equal(t, ByRPD, reserve(now).Probe)
	soon = reserve(now + 1)
	assert.Equal(t, ByTest, soon.Cause)
	assert.Equal(t, now+1+5000, soon.Start, "when the next may go, to the second")
	assert.Equal(t, Refused, reserve(now+4499).Verdict, "it may have been refused")
	assert.Equal(t, ByRPD, reserve(now+4500).Probe)
	assert.EqualValues(t, 100, d.limits(now+4500).RPD, "no answer has shown more")
}

// What came of each probe of a day is one more or nothing, although the next took its place before that was known:
// one for each answer and nothing for a failure.
func TestADayIsRaisedByAnswersAlone(t *testing.T) {
	d := startOnly(t)
	d.rules.Policy = NewPolicy([]string{"m"}, map[string]Override{"m": {RPM: ptr(int64(1000))}})
	now := noon
	for range 100 {
		now = now.Add(13 * time.Second)
		d.answered(now, d.reserve(now, 10))
	}
	var probes [6]Result
	for i := range probes {
		now = now.Add(2 * time.Second)
		d.id++
		probes[i] = d.do(now, Reserve{Model: "m", Demand: Demand{Tokens: 10, Allowance: time.Second / 2}, ID: d.id})
		require.Equal(t, ByRPD, probes[i].Probe)
	}
	settle := func(i int, failed string) {
		r := probes[i]
		require.True(t, r.Beyond)
		d.do(now, Settle{Model: "m", ID: r.Reservation.ID, Reserved: r.Reservation, Tokens: -1, SentAt: r.Start + 1, Beyond: r.Beyond, Failed: failed, Unanswered: failed != ""})
	}
	for _, x := range []struct {
		i      int
		failed string
		want   int64
	}{{0, "timeout", 100}, {1, "", 101}, {2, "server", 101}, {3, "canceled", 101}, {4, "", 102}, {5, "", 103}} {
		settle(x.i, x.failed)
		require.EqualValues(t, x.want, d.limits(now).RPD, "after %d", x.i)
	}
	again := probes[5] // nobody knows whether its answer was heard of
	d.do(now, Settle{Model: "m", ID: again.Reservation.ID, Reserved: again.Reservation, Tokens: -1, SentAt: again.Start + 1})
	require.EqualValues(t, 103, d.limits(now).RPD)
	now = now.Add(2 * time.Second)
	refused := d.reserve(now, 10)
	require.Equal(t, ByRPD, refused.Probe)
	d.do(now, Settle{Model: "m", ID: refused.Reservation.ID, Reserved: refused.Reservation, Tokens: -1, SentAt: now, Beyond: refused.Beyond, Failed: "day"})
	d.do(now, RecordRefusal{Model: "m", ID: refused.Reservation.ID})
	assert.EqualValues(t, 103, d.limits(now).RPD)
	assert.Equal(t, now, d.p.Calendar("m").Learned.RPD.At, "it holds on this day")
}

// A probe that upstream neither answered nor refused shows nothing, and the next one goes as soon as it may: of a minute
// once the one that failed has left it.
func TestAFailedProbeShowsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		cause  Cause
		tokens int64
		fill   int
		apart  time.Duration
		again  time.Duration
	}{"rpm": {ByRPM, 10, 5, 0, time.Minute + DefaultSkew}, "tpm": {ByTPM, 100_000, 2, 0, time.Minute + DefaultSkew}, "rpd": {ByRPD, 10, 100, 13 * time.Second, time.Second / 2}} {
		t.Run(name, func(t *testing.T) {
			d, now := startOnly(t), noon
			if c.cause == ByRPD {
				d.rules.Policy = NewPolicy([]string{"m"}, map[string]Override{"m": {RPM: ptr(int64(1000))}})
			}
			for range c.fill {
				now = now.Add(c.apart)
				d.answered(now, d.reserve(now, c.tokens))
			}
			now = now.Add(c.apart)
			before := d.limits(now)
			for range 3 {
				r := d.reserve(now, c.tokens)
				require.Equal(t, c.cause, r.Probe)
				d.do(now, Settle{Model: "m", ID: r.Reservation.ID, Reserved: r.Reservation, Tokens: -1, SentAt: r.Start, Beyond: r.Beyond, Failed: "server", Unanswered: true})
				require.Equal(t, before, d.limits(now))
				now = now.Add(c.again)
				for c.cause != ByRPD { // what was within the limit has left its minute, too
					x := d.reserve(now, c.tokens)
					if x.Probe != NoCause {
						d.do(now, Cancel{Model: "m", ID: x.Reservation.ID, Reserved: x.Reservation})
						break
					}
					require.Equal(t, Admitted, x.Verdict)
					d.answered(now, x)
				}
			}
			d.answered(now, d.reserve(now, c.tokens))
			assert.NotEqual(t, before, d.limits(now), "an answer shows it")
		})
	}
}

// A limit per day that upstream named is likely to hold on the next: a refusal of the first probe is waited for that
// takes seconds, and costs no more than that one. Once it wasn't refused the others follow sooner.
func TestANamedDayIsTestedOnce(t *testing.T) {
	d := startOnly(t)
	d.do(noon-1000, RecordRefusal{Model: "m", Limits: Limits{RPD: 10}})
	now := noon.Add(24 * time.Hour)
	for range 10 {
		require.Equal(t, Admitted, d.reserve(now, 10).Verdict)
		now = now.Add(13 * time.Second)
	}
	now = now.Add(time.Minute)
	first := d.reserve(now, 10)
	require.Equal(t, ByRPD, first.Probe)
	soon := d.reserve(now+1000, 10)
	require.Equal(t, ByTest, soon.Cause)
	assert.Equal(t, now+10_000, soon.Start, "when the next may go, to the second")
	require.Equal(t, Refused, d.reserve(now+9999, 10).Verdict)
	require.Equal(t, ByRPD, d.reserve(now+10_000, 10).Probe)
	assert.EqualValues(t, 10, d.limits(now+10_000).RPD, "nothing has shown that it has risen")
	require.Equal(t, Refused, d.reserve(now+10_500, 10).Verdict)
	d.do(now+10_600, Settle{Model: "m", ID: first.Reservation.ID, Reserved: first.Reservation, Tokens: 9, SentAt: now + 1, Beyond: first.Beyond})
	assert.EqualValues(t, 11, d.limits(now+10_600).RPD, "it has risen")
	require.Equal(t, ByRPD, d.reserve(now+20_000, 10).Probe)
	assert.Equal(t, ByRPD, d.reserve(now+20_500, 10).Probe)
}

// A feature that upstream has been seen to serve isn't paused again by what it said to a request that was sent before the one
// that it served, however late that is recorded; what it says to a later one pauses it for as long as the first time.
func TestALateRefusalUndoesNoAnswer(t *testing.T) {
	feature := OfFeature("m", "search")
	d := newDesk(t, Limits{RPM: 1000, TPM: 1_000_000, RPD: 10_000})
	send := func(now Instant) Result {
		d.Helper()
		d.id++
		return d.do(now, Reserve{Model: "m", Demand: Demand{Tokens: 10}, ID: d.id, Also: []Weight{{On: feature, Demand: Demand{Requests: 1}}}})
	}
	refused := func(now Instant, r Result) {
		d.do(now, Settle{Model: "m", ID: r.Reservation.ID, Reserved: r.Reservation, Tokens: -1, Failed: "bare_429", Also: r.Also})
		d.do(now, RecordRefusal{Model: feature, Block: Block{Cause: ByBare}, Admitted: r.Start})
	}
	served := func(now Instant, r Result) {
		d.do(now, Settle{Model: "m", ID: r.Reservation.ID, Reserved: r.Reservation, Tokens: 10, SentAt: r.Start, Also: r.Also})
	}
	now := noon
	refused(now, send(now))
	first := d.p.Calendar(feature).Block
	require.Equal(t, now.Add(30*time.Second), first.Until)
	now = first.Until
	slow := send(now) // it is tried, and isn't answered
	require.True(t, slow.Trial)
	now = now.Add(time.Minute)
	fast := send(now)
	require.True(t, fast.Trial)
	served(now+1000, fast)
	require.Equal(t, Admitted, send(now+1000).Verdict)
	refused(now+2000, slow)
	require.Equal(t, Admitted, send(now+2000).Verdict, "it was sent before the one that was served")
	assert.LessOrEqual(t, d.p.Calendar(feature).Block.Until, now+2000)
	refused(now+3000, send(now+2500))
	assert.Equal(t, (now + 3000).Add(30*time.Second), d.p.Calendar(feature).Block.Until)
	assert.Equal(t, Refused, send(now+3000).Verdict)
}

// A probe of a day that is refused while others before it are unanswered shows that there were as many as were sent, and
// no more: not as few as have been answered.
func TestADayHoldsWhatWasSentBeforeARefusal(t *testing.T) {
	for name, reached := range map[string][]Cause{"no limit": nil, "a day without its number": {ByRPD}} {
		t.Run(name, func(t *testing.T) {
			d := startOnly(t)
			d.rules.Policy = NewPolicy([]string{"m"}, map[string]Override{"m": {RPM: ptr(int64(1000))}})
			now := noon
			for range 100 {
				now = now.Add(13 * time.Second)
				d.answered(now, d.reserve(now, 10))
			}
			var under []Result
			for range 6 {
				now = now.Add(2 * time.Second)
				under = append(under, d.reserve(now, 10))
				require.Equal(t, ByRPD, under[len(under)-1].Probe)
			}
			refused := under[5]
			d.do(now, Settle{Model: "m", ID: refused.Reservation.ID, Reserved: refused.Reservation, Tokens: -1, SentAt: now, Beyond: refused.Beyond, Failed: "day"})
			d.do(now, RecordRefusal{Model: "m", ID: refused.Reservation.ID, Reached: reached})
			assert.Equal(t, Refused, d.reserve(now.Add(time.Minute), 10).Verdict, "not on this day")
			now = now.Add(time.Minute)
			for _, r := range under[:5] {
				d.do(now, Settle{Model: "m", ID: r.Reservation.ID, Reserved: r.Reservation, Tokens: -1, SentAt: r.Start, Beyond: r.Beyond})
			}
			assert.EqualValues(t, 105, d.limits(now).RPD)
			assert.Equal(t, Refused, d.reserve(now, 10).Verdict, "it holds on this day")
			again := under[0] // nobody knows whether its answer was heard of
			d.do(now, Settle{Model: "m", ID: again.Reservation.ID, Reserved: again.Reservation, Tokens: -1, SentAt: again.Start, Beyond: true})
			assert.EqualValues(t, 105, d.limits(now).RPD, "no more were sent before the refusal")
			d.do(now, Settle{Model: "m", ID: again.Reservation.ID, Reserved: again.Reservation, Tokens: -1, SentAt: again.Start})
			d.do(now, RecordRefusal{Model: "m", Limits: Limits{RPD: 104}, At: now})
			d.do(now, Settle{Model: "m", ID: again.Reservation.ID, Reserved: again.Reservation, Tokens: -1, SentAt: again.Start, Beyond: true})
			assert.EqualValues(t, 104, d.limits(now).RPD, "a number is exact")
			tomorrow := noon.Add(24 * time.Hour)
			for range 104 {
				tomorrow = tomorrow.Add(time.Second)
				require.Equal(t, NoCause, d.reserve(tomorrow, 10).Probe)
			}
			assert.Equal(t, ByRPD, d.reserve(tomorrow.Add(time.Minute), 10).Probe)
		})
	}
}

// Of a day of which more than some thousands have been used up the probes go twice as fast as the minute's limit has requests go:
// a day of any size is found in the time in which it could be used up, and so is the minute's limit.
func TestLargeDaysAreFoundFaster(t *testing.T) {
	d := startOnly(t)
	rpd := int64(4990)
	d.rules.Policy = NewPolicy([]string{"m"}, map[string]Override{"m": {RPM: ptr(int64(3000))}})
	d.p = &Project{NextRank: 1, Calendars: []*Calendar{{Model: "m",
		Learned: Learned{RPD: LearnedLimit{Limit: rpd, At: noon.Add(-24 * time.Hour).Add(-learned.LearnedFor)}},
		Days:    []DayCount{{Day: DayOf(noon), Requests: rpd}}}}}
	now := noon
	for ; rpd < learned.OneByOne; rpd++ {
		r := d.reserve(now, 10)
		require.Equal(t, ByRPD, r.Probe)
		require.Equal(t, Refused, d.reserve(now+499, 10).Verdict, "what came of it may not be known")
		now += 500
		d.answered(now, r)
	}
	for range 100 {
		require.Equal(t, ByRPD, d.reserve(now, 10).Probe)
		require.Equal(t, Refused, d.reserve(now+9, 10).Verdict)
		now += 10 // 3,000 a minute are one in 20 ms
	}
	assert.EqualValues(t, learned.OneByOne, d.limits(now).RPD, "only answers raise it")

	// One that was named is likely to hold: whoever comes next waits for what becomes of the first.
	d.do(now, RecordRefusal{Model: "m", Limits: Limits{RPD: 6000}, At: now})
	tomorrow := noon.Add(24 * time.Hour)
	d.p = &Project{NextRank: 1, Calendars: []*Calendar{{Model: "m", Learned: d.p.Calendar("m").Learned, Days: []DayCount{{Day: DayOf(tomorrow), Requests: 6000}}}}}
	require.Equal(t, ByRPD, d.reserve(tomorrow, 10).Probe)
	assert.Equal(t, Refused, d.reserve(tomorrow.Add(learned.AnswerFor)-1, 10).Verdict)
	assert.Equal(t, ByRPD, d.reserve(tomorrow.Add(learned.AnswerFor)+1000, 10).Probe)
}
