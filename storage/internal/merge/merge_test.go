package merge

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

var noon = scheduler.At(time.Date(2026, 3, 1, 20, 0, 0, 0, time.UTC))

const model = "gemini-2.5-pro"

func rulesFor(l scheduler.Limits) *scheduler.Rules {
	o := scheduler.Override{RPM: &l.RPM, TPM: &l.TPM, RPD: &l.RPD}
	return &scheduler.Rules{
		Policy: scheduler.NewPolicy([]string{model}, map[string]scheduler.Override{model: o}),
		Skew:   scheduler.DefaultSkew, Hold: scheduler.DefaultHold,
	}
}

// A history is a document and what really was admitted by it.
type history struct {
	rules *scheduler.Rules
	now   scheduler.Instant
	next  uint64 // ID
	seq   map[uint32]uint64
}

// commit makes changes to a state as one commit of an instance does.
func (h *history) commit(p *scheduler.Project, instance uint32, changes ...scheduler.Change) *scheduler.Project {
	for _, c := range changes {
		p, _ = p.Apply(h.rules, h.now, c)
	}
	h.seq[instance]++
	return p.Wrote(instance, h.seq[instance]).WithOperations(h.now, 1, 1)
}

// admit commits some requests and notes them.
func (h *history) admit(t *rapid.T, p *scheduler.Project, truth *[]scheduler.Reservation) *scheduler.Project {
	h.now += scheduler.Instant(rapid.Int64Range(1, 400).Draw(t, "step"))
	instance := uint32(rapid.IntRange(1, 3).Draw(t, "instance"))
	var changes []scheduler.Change
	for range rapid.IntRange(1, 40).Draw(t, "batch") {
		h.next++
		changes = append(changes, scheduler.Reserve{Model: model, ID: h.next, Demand: scheduler.Demand{Tokens: 100}})
		*truth = append(*truth, scheduler.Reservation{ID: h.next, Start: h.now, End: h.now.Add(scheduler.Window), Tokens: 100})
	}
	return h.commit(p, instance, changes...)
}

// A document is emptied or set back to any earlier state, and goes on from there. What
// an instance knows, joined with what it finds then, never weighs less at any instant
// than what was really admitted in both histories, nor does the day.
func TestNothingIsUndercounted(t *testing.T) {
	race.Skip(t)
	rapid.Check(t, func(t *rapid.T) {
		h := &history{
			rules: rulesFor(scheduler.Limits{RPM: 1 << 40, TPM: 1 << 40, RPD: 1 << 40}), now: noon, seq: make(map[uint32]uint64),
		}
		states := []*scheduler.Project{nil}
		var truth []scheduler.Reservation
		for range rapid.IntRange(1, 12).Draw(t, "commits") {
			states = append(states, h.admit(t, states[len(states)-1], &truth))
		}
		known := states[len(states)-1]
		found := states[rapid.IntRange(0, len(states)-2).Draw(t, "set back to")]
		for _, earlier := range states {
			require.True(t, Follows(known, earlier))
		}
		require.False(t, Follows(found, known))
		h.seq = map[uint32]uint64{} // instances that know nothing of the first history
		for range rapid.IntRange(0, 6).Draw(t, "commits after it") {
			h.now += scheduler.Instant(rapid.Int64Range(1, 400).Draw(t, "step"))
			h.next++
			truth = append(truth, scheduler.Reservation{ID: h.next, Start: h.now, End: h.now.Add(scheduler.Window), Tokens: 100})
			found = h.commit(found, uint32(rapid.IntRange(11, 13).Draw(t, "newcomer")),
				scheduler.Reserve{Model: model, ID: h.next, Demand: scheduler.Demand{Tokens: 100}})
		}
		require.False(t, Follows(found, known), "whatever was written to it since")
		before, foundBefore := known.Calendar(model), found.Calendar(model)
		next := Projects(known, found)
		require.True(t, Follows(next, known))
		require.True(t, Follows(next, found))
		require.Same(t, before, known.Calendar(model))
		if found != nil {
			require.Same(t, foundBefore, found.Calendar(model))
		}
		c := next.Calendar(model)
		require.GreaterOrEqual(t, c.Days[len(c.Days)-1].Requests, int64(len(truth)))
		for at := h.now; at < h.now.Add(70*time.Second); at += 250 {
			var tokens, requests int64
			for _, r := range truth {
				if at < r.End {
					tokens, requests = tokens+r.Tokens, requests+1
				}
			}
			n, weight := weighs(c, at)
			require.GreaterOrEqual(t, n, requests)
			require.GreaterOrEqual(t, weight, tokens)
		}
		// What has a name is there once.
		ids := make(map[uint64]bool)
		for _, r := range c.Sent {
			require.False(t, ids[r.ID])
			ids[r.ID] = true
		}
	})
}

func weighs(c *scheduler.Calendar, at scheduler.Instant) (requests, tokens int64) {
	for _, r := range c.Sent {
		if at < r.End {
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

// A writer that has no place any more was pushed out, oldest first; one that is missing
// beside an older one never wrote here.
func TestFollowsByWriters(t *testing.T) {
	list := func(from, n int) (all []scheduler.Writer) {
		for i := range n {
			all = append(all, scheduler.Writer{Instance: uint32(from + i), Seq: 5})
		}
		return all
	}
	for _, test := range []struct {
		name           string
		earlier, later []scheduler.Writer
		want           bool
	}{
		{"nobody else", list(1, 1), list(1, 1), true},
		{"one more", list(1, 1), list(1, 2), true},
		{"written again", list(1, 1), []scheduler.Writer{{Instance: 1, Seq: 6}}, true},
		{"an older number", list(1, 1), []scheduler.Writer{{Instance: 1, Seq: 4}}, false},
		{"another alone", list(1, 1), list(2, 1), false},
		{"pushed out", list(1, 1), list(2, scheduler.MaxWriters), true},
		{"the older of two was pushed out", list(1, 2), list(2, scheduler.MaxWriters), true},
		{"the newer of two is missing", list(1, 2), append(list(1, 1), list(3, scheduler.MaxWriters-1)...), false},
	} {
		earlier, later := &scheduler.Project{Writers: test.earlier}, &scheduler.Project{Writers: test.later}
		assert.Equal(t, test.want, Follows(later, earlier), test.name)
	}
	assert.True(t, Follows(nil, nil))
	assert.True(t, Follows(&scheduler.Project{}, nil))
	assert.False(t, Follows(nil, &scheduler.Project{}))
}

// Of two readings the stricter holds.
func TestTheStricterHolds(t *testing.T) {
	today := scheduler.DayOf(noon)
	known := &scheduler.Project{
		Latest: noon, NextRank: 7, Moved: 2,
		Calendars: []*scheduler.Calendar{
			{
				Model:    model,
				Sent:     []*scheduler.Reservation{{ID: 1, Start: noon - 3000, End: noon + 57_000, Tokens: 10, Requests: 1}},
				Bookings: []scheduler.Booking{{ID: 5, Rank: 6, Start: noon + 1000, Since: noon - 500}},
				Days:     []scheduler.DayCount{{Day: today, Requests: 40, Tokens: 400}},
				Block:    scheduler.Block{Until: noon + 9000, Cause: scheduler.ByBare, Strikes: 2},
				Learned:  scheduler.Learned{RPM: scheduler.LearnedLimit{Limit: 5, At: noon - 100}, RPD: scheduler.LearnedLimit{Limit: 50, At: noon - 100}},
				Refused:  900,
			},
			{Model: "known only", Days: []scheduler.DayCount{{Day: today, Requests: 3}}},
		},
		Marks:   []scheduler.Mark{{Key: "a", Disabled: true}, {Key: "b", Invalid: "x"}},
		Writers: []scheduler.Writer{{Instance: 1, Seq: 9}},
		Idle:    []scheduler.Idle{{Name: scheduler.NameOf("away"), Day: scheduler.DayCount{Day: today, Requests: 6}}},
	}
	found := &scheduler.Project{
		Latest: noon - 50, NextRank: 3, Moved: 1,
		Calendars: []*scheduler.Calendar{
			{
				Model: model,
				Sent: []*scheduler.Reservation{
					{ID: 1, Start: noon - 3000, End: noon + 58_000, Tokens: 9, Requests: 1}, // settled later
					{ID: 2, Start: noon + 10, End: noon + 60_010, Tokens: 4, Requests: 1},
				},
				Bookings: []scheduler.Booking{{ID: 5, Rank: 6, Start: noon + 2000, Since: noon - 500}, {ID: 8, Rank: 2, Start: noon + 500}},
				Days:     []scheduler.DayCount{{Day: today, Requests: 31, Tokens: 300}},
				Block:    scheduler.Block{Until: noon + 5000, Cause: scheduler.ByMinute},
				Learned:  scheduler.Learned{RPM: scheduler.LearnedLimit{Limit: 7, At: noon}},
				Refused:  800,
			},
			{Model: "away", Days: []scheduler.DayCount{{Day: today, Requests: 2}}},
		},
		Marks:   []scheduler.Mark{{Key: "a"}, {Key: "c", Invalid: "y"}},
		Writers: []scheduler.Writer{{Instance: 1, Seq: 7}, {Instance: 2, Seq: 1}},
	}
	p := Projects(known, found)
	assert.Equal(t, noon, p.Latest)
	assert.EqualValues(t, 8, p.NextRank)
	assert.EqualValues(t, 2, p.Moved)
	c := p.Calendar(model)
	require.Len(t, c.Sent, 2)
	assert.Equal(t, scheduler.Reservation{ID: 1, Start: noon - 3000, End: noon + 58_000, Tokens: 10, Requests: 1}, *c.Sent[0])
	assert.Equal(t, []scheduler.DayCount{{Day: today, Requests: 41, Tokens: 400}}, c.Days, "the one that came after")
	require.Len(t, c.Bookings, 2)
	assert.Equal(t, noon+2000, c.Bookings[0].Start)
	assert.EqualValues(t, 7, c.Bookings[1].Rank, "behind those that are known")
	assert.Equal(t, scheduler.Block{Until: noon + 9000, Cause: scheduler.ByBare, Strikes: 2}, c.Block)
	assert.EqualValues(t, 7, c.Learned.RPM.Limit, "the last word of upstream")
	assert.EqualValues(t, 50, c.Learned.RPD.Limit)
	assert.EqualValues(t, 800, c.Refused)
	assert.EqualValues(t, 3, p.Calendar("known only").Days[0].Requests)
	assert.EqualValues(t, 6, p.Calendar("away").Days[0].Requests, "the larger: they share a beginning")
	assert.Empty(t, p.Idle)
	assert.ElementsMatch(t, []scheduler.Mark{{Key: "a", Disabled: true}, {Key: "b", Invalid: "x"}, {Key: "c", Invalid: "y"}}, p.Marks)
	assert.Equal(t, []scheduler.Writer{{Instance: 1, Seq: 9}, {Instance: 2, Seq: 1}}, p.Writers)

	found.Writers = []scheduler.Writer{{Instance: 2, Seq: 1}}
	p = Projects(known, found)
	assert.EqualValues(t, 71, p.Calendar(model).Days[0].Requests, "they share nothing: both count")
	assert.EqualValues(t, 8, p.Calendar("away").Days[0].Requests)
}

// A note on a calendar is no request, of which anything would be counted, and of two the later holds.
func TestTheLaterNoteHolds(t *testing.T) {
	rules := rulesFor(scheduler.Limits{RPM: 16, TPM: 1000, RPD: 100})
	heard := func(p *scheduler.Project, now scheduler.Instant, others int64) *scheduler.Project {
		used := scheduler.Demand{Requests: others}
		p, result := p.Apply(rules, now, scheduler.Heard{Model: model, ID: 7, Used: used, Most: used})
		require.True(t, result.Changed)
		return p
	}
	known := heard(nil, noon, 3).Wrote(1, 1)
	found := heard(known, noon+10_000, 0).Wrote(1, 2)
	for _, p := range []*scheduler.Project{Projects(known, found), Projects(found, known)} {
		c := p.Calendar(model)
		assert.False(t, c.Unheard(rules, noon+12_000))
		assert.True(t, c.Unheard(rules, noon+20_000))
		assert.EqualValues(t, 3, c.Used(rules, scheduler.DayOf(noon)))
	}
}

// There is room for what there is room for; what has no place stays closed until
// nothing of it counts.
func TestMoreThanThereIsRoomFor(t *testing.T) {
	var known, found scheduler.Project
	for i := range scheduler.MaxModels {
		name := string(rune('a' + i))
		known.Calendars = append(known.Calendars, &scheduler.Calendar{Model: "k" + name})
		found.Calendars = append(found.Calendars, &scheduler.Calendar{
			Model: "f" + name, Sent: []*scheduler.Reservation{{ID: 1, Start: noon, End: noon + 60_000, Requests: 1}},
		})
	}
	p := Projects(&known, &found)
	assert.Len(t, p.Calendars, scheduler.MaxModels)
	assert.Len(t, p.Idle, scheduler.MaxIdle)
	assert.Equal(t, scheduler.Block{Until: noon + 60_000, Cause: scheduler.ByRPM}, p.Calendar("fa").Block)
}

// Who waits is known of either state, of one that both know the longest wait and the latest time.
func TestWaitersAreJoined(t *testing.T) {
	at := scheduler.Instant(1_000_000)
	of := func(caller uint32, since, until scheduler.Instant) scheduler.Waiter {
		return scheduler.Waiter{Caller: caller, Since: at + since, Until: at + until}
	}
	known := &scheduler.Project{Latest: at, Waiters: []scheduler.Waiter{of(1, -9, 5), of(2, -5, 8), of(3, -5, -1)}}
	found := &scheduler.Project{Latest: at - 3, Waiters: []scheduler.Waiter{of(1, -4, 7), of(4, -1, 1)}}
	assert.Equal(t, []scheduler.Waiter{of(2, -5, 8), of(1, -9, 7), of(4, -1, 1)}, Projects(known, found).Waiters)
}

// What is closed since it has no place isn't forgotten before what was merely used.
func TestWhatIsClosedIsKept(t *testing.T) {
	known, found := scheduler.Project{Latest: noon}, scheduler.Project{Latest: noon}
	for i := range scheduler.MaxModels {
		known.Calendars = append(known.Calendars, &scheduler.Calendar{Model: "k" + string(rune('a'+i))})
	}
	for i := range scheduler.MaxIdle {
		known.Idle = append(known.Idle, scheduler.Idle{Name: uint32(i), Day: scheduler.DayCount{Day: scheduler.DayOf(noon), Requests: 100}})
	}
	found.Calendars = []*scheduler.Calendar{{Model: "f", Sent: []*scheduler.Reservation{{ID: 1, Start: noon, End: noon + 60_000, Requests: 1}}}}
	p := Projects(&known, &found)
	assert.Len(t, p.Idle, scheduler.MaxIdle)
	assert.Equal(t, scheduler.Block{Until: noon + 60_000, Cause: scheduler.ByRPM}, p.Calendar("f").Block)
}

// What is missing in a bucket is missing for both.
func TestDebtsAddUp(t *testing.T) {
	const minute = 60_000
	known := scheduler.Debt{At: noon, Per: minute, Tokens: 5 * minute, Requests: minute}
	assert.Equal(t, known, debts(known, scheduler.Debt{}))
	assert.Equal(t, known, debts(scheduler.Debt{}, known))
	later := scheduler.Debt{At: noon + 7, Per: minute, Tokens: 2 * minute, Requests: 1}
	assert.Equal(t, scheduler.Debt{At: noon + 7, Per: minute, Tokens: 7 * minute, Requests: minute + 1}, debts(known, later))
	coarse := scheduler.Debt{At: noon, Per: 10 * minute, Tokens: 25 * minute}
	assert.Equal(t, scheduler.Debt{At: noon, Per: minute, Tokens: 8 * minute, Requests: 2 * minute}, debts(known, coarse), "2.5, rounded up")
}

// Whoever adds a field to what is kept of a project decides here how two states of it
// are joined.
func TestEveryFieldIsJoined(t *testing.T) {
	for _, x := range []struct {
		of     reflect.Type
		fields string
	}{
		{reflect.TypeFor[scheduler.Project](), "Latest NextRank Calendars Marks Waitlist Writers Moved Totals Services Waiters Idle Forgotten Unsure Epoch Unreadable"},
		{reflect.TypeFor[scheduler.Calendar](), "Model Sent Folded Open Bookings Days Block Learned Refused Unsure Debt"},
		{reflect.TypeFor[scheduler.Reservation](), "ID Start End Tokens Requests Straddles"},
		{reflect.TypeFor[scheduler.Booking](), "ID Hash Rank Start Since Demand Hold"},
		{reflect.TypeFor[scheduler.Idle](), "Name Day Block Learned Refused"},
		{reflect.TypeFor[scheduler.Service](), "Model Caller Requests Tokens Level At"},
		{reflect.TypeFor[scheduler.Totals](), "Day Callers Failures Reads Writes"},
	} {
		var have []string
		for f := range x.of.Fields() {
			have = append(have, f.Name)
		}
		assert.ElementsMatch(t, strings.Fields(x.fields), have, x.of.Name())
	}
}
