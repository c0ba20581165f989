package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/scheduler/totals"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// pack encodes a project alone, as a build that knows no section does.
func pack(rules *scheduler.Rules, now scheduler.Instant, p *scheduler.Project) ([]byte, error) {
	doc, err := New().Pack(rules, now, p, nil)
	return doc.State, err
}

// anyProject draws a state with every field in use, at the edges too.
func anyProject(t *rapid.T) *scheduler.Project {
	n := func(name string) int64 {
		return rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64Range(0, math.MaxInt32), rapid.Just(int64(-1))).Draw(t, name)
	}
	now := scheduler.Instant(rapid.Int64Range(0, 4e12).Draw(t, "now"))
	at := func(name string) scheduler.Instant {
		return now + scheduler.Instant(rapid.Int64Range(-90_000_000, 90_000_000).Draw(t, name))
	}
	id := func(name string) uint64 { return rapid.Uint64().Draw(t, name) }
	times := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
	p := &scheduler.Project{Latest: now, NextRank: id("rank"), Moved: n("moved")}
	for range times("models", 4) {
		c := &scheduler.Calendar{Model: rapid.String().Draw(t, "model"), Refused: n("refused")}
		for range times("sent", 5) {
			c.Sent = append(c.Sent, &scheduler.Reservation{
				ID: id("id"), Start: at("start"), End: at("end"), Tokens: n("tokens"),
				Requests: rapid.Int64Range(1, 1e6).Draw(t, "requests"), Straddles: rapid.Bool().Draw(t, "straddles"),
			})
		}
		for range times("coarse", 5) {
			c.Folded = append(c.Folded, scheduler.Folded{End: at("end") / 1000 * 1000, Tokens: n("tokens"), Requests: n("requests")})
		}
		for range times("bookings", 5) {
			c.Bookings = append(c.Bookings, scheduler.Booking{
				ID: id("id"), Hash: id("hash"), Rank: id("rank"), Start: at("start"), Since: at("since"),
				Demand: scheduler.Demand{Tokens: n("tokens"), Requests: n("requests"), Allowance: time.Duration(n("allowance")) * time.Millisecond},
			})
		}
		for range times("days", 3) {
			c.Days = append(c.Days, scheduler.DayCount{Day: scheduler.Day(rapid.Int32().Draw(t, "day")), Requests: n("requests"), Tokens: n("tokens")})
		}
		if rapid.Bool().Draw(t, "blocked") {
			c.Block = scheduler.Block{Until: at("until"), Cause: scheduler.ByBare, Strikes: n("strikes")}
		}
		for _, lesson := range []*scheduler.LearnedLimit{&c.Learned.RPM, &c.Learned.TPM, &c.Learned.RPD} {
			if rapid.Bool().Draw(t, "learned") {
				*lesson = scheduler.LearnedLimit{Limit: rapid.Int64Range(1, math.MaxInt64).Draw(t, "limit"), At: at("taught")}
			}
		}
		if rapid.Bool().Draw(t, "probing") {
			cause := rapid.SampledFrom([]scheduler.Cause{scheduler.ByRPD, scheduler.ByMinute, scheduler.ByBare}).Draw(t, "cause")
			c.Learned.Probe = scheduler.Probe{Cause: cause, ID: id("probe"), Until: at("until")}
		}
		p.Calendars = append(p.Calendars, c)
	}
	for range times("marks", 3) {
		p.Marks = append(p.Marks, scheduler.Mark{
			Key: rapid.String().Draw(t, "key"), Disabled: rapid.Bool().Draw(t, "disabled"),
			Invalid: rapid.StringN(0, 20, maxReason).Draw(t, "invalid"),
		})
	}
	for range times("told", 3) {
		p.Waitlist = append(p.Waitlist, scheduler.Waitlisted{Hash: rapid.Uint32().Draw(t, "hash"), Start: at("start")})
	}
	for range times("writers", 3) {
		p.Writers = append(p.Writers, scheduler.Writer{Instance: rapid.Uint32().Draw(t, "instance"), Seq: id("seq")})
	}
	p.Totals = scheduler.Totals{Day: scheduler.Day(rapid.Int32().Draw(t, "today")), Reads: n("reads"), Writes: n("writes")}
	for range times("callers", 3) {
		p.Totals.Callers = append(p.Totals.Callers, scheduler.CallerTotal{
			Caller: rapid.String().Draw(t, "caller"), Requests: n("requests"), Tokens: n("tokens"),
		})
	}
	for range times("failures", 3) {
		p.Totals.Failures = append(p.Totals.Failures, scheduler.FailureTotal{Class: rapid.String().Draw(t, "class"), N: n("n")})
	}
	return p
}

func TestCodecRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyProject(t)
		back, err := decode(encode(p))
		require.NoError(t, err)
		require.Equal(t, p, back)
	})
}

// Builds of 4bd3115 take whatever is under way as a probe for the test of a limit, which
// weighs nothing until it is answered. What is tried after a block weighs on its calendar,
// so to them it has to be no reservation's.
func TestTriedAfterABlockWeighsOnOldBuilds(t *testing.T) {
	const id = 0x1122334455667788
	now := scheduler.At(epoch)
	rules := &scheduler.Rules{Policy: scheduler.NewPolicy(nil, nil)}
	p, _ := (*scheduler.Project)(nil).Apply(rules, now, scheduler.RecordRefusal{
		Model: "gemini-2.5-pro", Block: scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(time.Minute), Strikes: 1},
	})
	now = now.Add(2 * time.Minute)
	p, result := p.Apply(rules, now, scheduler.Reserve{Model: "gemini-2.5-pro", ID: id, Demand: scheduler.Demand{Tokens: 1}})
	require.True(t, result.Trial)
	state, err := pack(rules, now, p)
	require.NoError(t, err)
	assert.Equal(t, 1, bytes.Count(state, binary.BigEndian.AppendUint64(nil, id)), "the reservation alone has it")
	back, err := decode(state)
	require.NoError(t, err)
	assert.EqualValues(t, id, back.Calendars[0].Learned.Probe.ID)
}

// A document is either read whole or refused: one that was cut short or has
// something after its end is corrupt.
func TestUnpackRefusesDamage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := encode(anyProject(t))
		cut := rapid.IntRange(0, len(data)-1).Draw(t, "cut")
		_, err := decode(data[:cut])
		require.ErrorIs(t, err, ErrCorrupt)
		_, err = decode(append(data, 0))
		require.ErrorIs(t, err, ErrCorrupt)
	})
	_, err := decode([]byte{stateVersion + 1, 0})
	require.ErrorContains(t, err, "version", "a rolled-back deployment says so")
}

// A corrupt document must not take the instance down, nor its memory.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{stateVersion})
	f.Add([]byte{stateVersion, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add(encode(&scheduler.Project{NextRank: 1}))
	f.Add(encode(fullest()))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decode(data)
		if err != nil {
			return
		}
		again, err := decode(encode(p))
		if err != nil && !overflows(p) {
			t.Fatalf("decoded, but not encoded again: %v", err)
		}
		if err == nil && len(again.Calendars) != len(p.Calendars) {
			t.Fatal("calendars were lost")
		}
	})
}

// overflows reports whether a state holds what no encoder wrote: more requests
// in one reservation than the flags have room for.
func overflows(p *scheduler.Project) bool {
	for _, c := range p.Calendars {
		for _, r := range c.Sent {
			if r.Requests <= 0 {
				return true
			}
		}
	}
	return false
}

func TestUnpackIsBounded(t *testing.T) {
	// Counts that promise far more than there is.
	lie := append([]byte{stateVersion, 0, 0, 0}, 0xff, 0xff, 0xff, 0x7f)
	assert.Less(t, testing.AllocsPerRun(10, func() { _, _ = decode(lie) }), 20.0)
	garbage := append(lie[:4:4], 0x80, 0x80, 0x40)
	garbage = append(garbage, make([]byte, 1<<20)...)
	_, err := decode(garbage)
	require.ErrorIs(t, err, ErrCorrupt)
}

// random histories, packed: whatever is kept less exactly, a reservation never
// ends earlier than it did, so that no instant has more room than before.
func TestPackIsNeverEarly(t *testing.T) {
	l := scheduler.Limits{RPM: 100_000, TPM: 1 << 40, RPD: 1 << 40}
	rules := rulesFor(l)
	rapid.Check(t, func(t *rapid.T) {
		now := scheduler.At(epoch)
		var p *scheduler.Project
		models := rapid.IntRange(1, scheduler.MaxModels).Draw(t, "models")
		for i := range rapid.IntRange(1, 1000).Draw(t, "admissions") {
			now += scheduler.Instant(rapid.Int64Range(0, 150).Draw(t, "step"))
			p, _ = p.Apply(rules, now, scheduler.Reserve{
				Model: fmt.Sprint("model-pro-", i%models), ID: uint64(i),
				Demand: scheduler.Demand{Tokens: 100, Allowance: time.Duration(i%5000) * time.Millisecond},
			})
		}
		data, err := pack(rules, now, p)
		require.NoError(t, err)
		require.LessOrEqual(t, len(data), MaxDocument)
		back, err := decode(data)
		require.NoError(t, err)
		for _, c := range p.Calendars {
			other := back.Calendar(c.Model)
			require.Equal(t, c.Days, other.Days)
			for at := now; at < now+150_000; at += 500 {
				n, tokens := weighs(c, at)
				m, more := weighs(other, at)
				if m < n || more < tokens {
					t.Fatalf("%s: %d requests and %d tokens at +%d, %d and %d packed", c.Model, n, tokens, at-now, m, more)
				}
			}
		}
	})
}

func weighs(c *scheduler.Calendar, at scheduler.Instant) (requests, tokens int64) {
	for _, r := range c.Sent {
		if r.Start <= at && at < r.End {
			requests, tokens = requests+r.Requests, tokens+r.Tokens
		}
	}
	for _, x := range c.Folded {
		if at < x.End {
			requests, tokens = requests+x.Requests, tokens+x.Tokens
		}
	}
	return requests, tokens
}

func rulesFor(l scheduler.Limits) *scheduler.Rules {
	o := scheduler.Override{RPM: &l.RPM, TPM: &l.TPM, RPD: &l.RPD}
	return &scheduler.Rules{
		Policy: scheduler.NewPolicy(nil, map[string]scheduler.Override{"pro": o, "flash": o, "flash_lite": o}),
		Skew:   scheduler.DefaultSkew, Hold: scheduler.DefaultHold,
	}
}

// fullest returns a state with as much of everything as there can be, all of it
// as long as it can get within a lifetime.
func fullest() *scheduler.Project {
	now := scheduler.At(epoch)
	p := &scheduler.Project{Latest: now, NextRank: 1 << 40, Moved: 1 << 40}
	for m := range scheduler.MaxModels {
		c := &scheduler.Calendar{
			Model: fmt.Sprintf("%03d-pro-%s", m, strings.Repeat("m", MaxModelName-8)), Refused: math.MaxInt32,
			Block: scheduler.Block{Until: now.Add(24 * time.Hour), Cause: scheduler.ByMinute, Strikes: 16},
			Learned: scheduler.Learned{
				RPM: scheduler.LearnedLimit{Limit: 20_000, At: now.Add(-time.Hour)}, TPM: scheduler.LearnedLimit{Limit: 1 << 40, At: now.Add(-30 * time.Hour)},
				RPD:   scheduler.LearnedLimit{Limit: 1 << 40, At: now.Add(-240 * time.Hour)},
				Probe: scheduler.Probe{Cause: scheduler.ByRPM, ID: math.MaxUint64, Until: now.Add(time.Hour)},
			},
		}
		for i := range scheduler.MaxExact {
			start := now.Add(-time.Duration(i) * time.Second / 2)
			c.Sent = append(c.Sent, &scheduler.Reservation{
				ID: math.MaxUint64 - uint64(i), Start: start, End: start.Add(66 * time.Second), Tokens: 1 << 20, Requests: 1000, Straddles: true,
			})
		}
		for i := range 70 {
			end := (now/1000 + scheduler.Instant(i) + 1) * 1000
			c.Folded = append(c.Folded, scheduler.Folded{End: end, Tokens: 333 << 20, Requests: 333})
		}
		for i := range scheduler.MaxBookings / scheduler.MaxModels {
			c.Bookings = append(c.Bookings, scheduler.Booking{
				ID: math.MaxUint64, Hash: math.MaxUint64, Rank: 1<<40 - 64 + uint64(i), Start: now.Add(scheduler.MaxAhead),
				Since: now.Add(-time.Hour), Demand: scheduler.Demand{Tokens: 1 << 20, Requests: 1000, Allowance: 5 * time.Second},
			})
		}
		today := scheduler.DayOf(now)
		for day := today - 2; day <= today+1; day++ {
			c.Days = append(c.Days, scheduler.DayCount{Day: day, Requests: 1 << 30, Tokens: 1 << 40})
		}
		p.Calendars = append(p.Calendars, c)
	}
	for i := range scheduler.MaxMarks {
		p.Marks = append(p.Marks, scheduler.Mark{Key: fmt.Sprintf("%012d", i), Disabled: true, Invalid: strings.Repeat("ä", 400)})
	}
	for i := range scheduler.MaxWaitlist {
		p.Waitlist = append(p.Waitlist, scheduler.Waitlisted{Hash: math.MaxUint32, Start: now.Add(time.Duration(i%2) * time.Hour)})
	}
	for i := range scheduler.MaxWriters {
		p.Writers = append(p.Writers, scheduler.Writer{Instance: math.MaxUint32 - uint32(i), Seq: 1 << 40})
	}
	p.Totals = scheduler.Totals{Day: scheduler.DayOf(now), Reads: 1 << 40, Writes: 1 << 40}
	for i := range scheduler.MaxCallers {
		p.Totals.Callers = append(p.Totals.Callers, scheduler.CallerTotal{
			Caller: fmt.Sprintf("%0*d", totals.MaxCallerName, i), Requests: 1 << 30, Tokens: 1 << 40,
		})
	}
	for i := range scheduler.MaxFailures {
		p.Totals.Failures = append(p.Totals.Failures, scheduler.FailureTotal{Class: fmt.Sprintf("upstream-class-%02d", i), N: 1 << 30})
	}
	return p
}

// Not even the worst that can be made up makes a document too large to write,
// which would stop its project.
func TestFullestFits(t *testing.T) {
	p := fullest()
	require.Greater(t, len(encode(p)), 3*MaxDocument, "or the bound isn't tried")
	data, err := pack(rulesFor(scheduler.Limits{RPM: 20_000, TPM: 1 << 40, RPD: 1 << 40}), scheduler.At(epoch), p)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(data), MaxDocument)
	back, err := decode(data)
	require.NoError(t, err)
	assert.Len(t, back.Calendars, scheduler.MaxModels)
	assert.Equal(t, strings.Repeat("ä", maxReason/2), back.Marks[0].Invalid, "cut between characters")
	t.Logf("%d bytes, %d packed", len(encode(p)), len(data))
}

// The figures that the encoding is explained with.
func TestBytesEach(t *testing.T) {
	now := scheduler.At(epoch)
	size := func(c scheduler.Calendar) int {
		return len(encode(&scheduler.Project{Latest: now, Calendars: []*scheduler.Calendar{&c}}))
	}
	empty := size(scheduler.Calendar{})
	var sent, coarse, booked scheduler.Calendar
	for i := range 10 {
		start := now.Add(time.Duration(i-10) * 700 * time.Millisecond)
		end := start.Add(scheduler.Window + scheduler.DefaultSkew)
		sent.Sent = append(sent.Sent, &scheduler.Reservation{ID: math.MaxUint64 / 3, Start: start, End: end, Tokens: 10_000, Requests: 1})
		coarse.Folded = append(coarse.Folded, scheduler.Folded{End: now/1000*1000 + scheduler.Instant(i)*1000, Tokens: 100_000, Requests: 10})
		booked.Bookings = append(booked.Bookings, scheduler.Booking{
			ID: 1 << 60, Hash: 1 << 60, Rank: uint64(i), Start: now.Add(time.Duration(i) * time.Second), Since: now,
			Demand: scheduler.Demand{Tokens: 10_000, Requests: 1},
		})
	}
	assert.InDelta(t, 16, float64(size(sent)-empty)/10, 1)
	assert.InDelta(t, 5, float64(size(coarse)-empty)/10, 1)
	assert.InDelta(t, 27, float64(size(booked)-empty)/10, 2)
}
