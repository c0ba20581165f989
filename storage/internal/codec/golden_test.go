package codec

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

// goldenAt is the instant of the golden documents, 2026-11-28 12:00 UTC.
var goldenAt = scheduler.At(time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC))

// goldenStates returns the states that lie encoded in testdata, by the name of
// their file. They may grow in number; what one of them holds never changes.
func goldenStates() map[string]*scheduler.Project {
	now, today := goldenAt, scheduler.DayOf(goldenAt)
	return map[string]*scheduler.Project{
		// What a new document holds after its first commit.
		"first": {
			Latest: now, NextRank: 1,
			Calendars: []*scheduler.Calendar{{
				Model: "gemini-2.5-flash",
				Sent:  []*scheduler.Reservation{{ID: 1<<32 | 7, Start: now, End: now.Add(60500 * time.Millisecond), Tokens: 12, Requests: 1}},
				Days:  []scheduler.DayCount{{Day: today, Requests: 1, Tokens: 12}},
			}},
			Writers: []scheduler.Writer{{Instance: 0xdeadbeef, Seq: 1}},
			Totals: scheduler.Totals{
				Day: today, Callers: []scheduler.CallerTotal{{Caller: "alice", Requests: 1, Tokens: 12}}, Reads: 1, Writes: 1,
			},
		},
		// A caller's own limits: one calendar, in a document of the same form.
		"caller": {
			Latest: now, NextRank: 1,
			Calendars: []*scheduler.Calendar{{
				Model: "all",
				Sent: []*scheduler.Reservation{
					{ID: 1<<32 | 1, Start: now.Add(-40 * time.Second), End: now.Add(20500 * time.Millisecond), Tokens: 1000, Requests: 1},
					{ID: 1<<32 | 2, Start: now.Add(-time.Second), End: now.Add(61 * time.Second), Tokens: 0, Requests: 3},
				},
				Days: []scheduler.DayCount{{Day: today - 1, Requests: 90, Tokens: 1 << 20}, {Day: today, Requests: 4, Tokens: 1000}},
			}},
			Writers: []scheduler.Writer{{Instance: 1, Seq: 300}},
			Totals:  scheduler.Totals{Day: today, Reads: 2, Writes: 40},
		},
		// Everything that a state can hold, each at least once.
		"everything": {
			Latest: now, NextRank: 1 << 33, Moved: 17,
			Calendars: []*scheduler.Calendar{
				{
					Model: "gemini-2.5-pro",
					Sent: []*scheduler.Reservation{
						{ID: 1<<32 | 3, Start: now.Add(-30 * time.Second), End: now.Add(30500 * time.Millisecond), Tokens: 250_000, Requests: 1},
						{ID: 1<<64 - 1, Start: now.Add(-500 * time.Millisecond), End: now.Add(64 * time.Second), Tokens: 1, Requests: 100, Straddles: true},
					},
					Folded: []scheduler.Folded{
						{End: now.Add(5 * time.Second), Tokens: 40_000, Requests: 4}, {End: now.Add(9 * time.Second), Tokens: -1, Requests: 1},
					},
					Bookings: []scheduler.Booking{
						{ID: 1<<32 | 9, Hash: 0x0123456789abcdef, Rank: 1<<33 - 2, Start: now.Add(12 * time.Second), Since: now.Add(-time.Minute),
							Demand: scheduler.Demand{Tokens: 1234, Requests: 2, Allowance: 750 * time.Millisecond}},
						{ID: 1<<32 | 10, Rank: 1<<33 - 1, Start: now.Add(10 * time.Minute), Since: now, Demand: scheduler.Demand{Tokens: 1}},
					},
					Days:  []scheduler.DayCount{{Day: today, Requests: 101, Tokens: 290_001}, {Day: today + 1, Requests: 1, Tokens: 1}},
					Block: scheduler.Block{Until: now.Add(3 * time.Minute), Cause: scheduler.ByBare, Strikes: 5},
					Learned: scheduler.Learned{
						RPM:   scheduler.LearnedLimit{Limit: 5, At: now.Add(-time.Hour)},
						TPM:   scheduler.LearnedLimit{Limit: 125_000, At: now.Add(-8 * 24 * time.Hour)},
						RPD:   scheduler.LearnedLimit{Limit: 100, At: now.Add(-time.Minute)},
						Probe: scheduler.Probe{Cause: scheduler.ByTPM, ID: 1<<32 | 3, Until: now.Add(9 * time.Minute)},
					},
					Refused: 1_100_000,
				},
				{Model: "gemini-2.5-flash", Block: scheduler.Block{Until: scheduler.DayOf(now).End(), Cause: scheduler.ByDay}},
				{Model: "a model with \"quotes\", ümlauts and a /"},
			},
			Marks: []scheduler.Mark{
				{Key: "0123456789ab", Disabled: true}, {Key: "ba9876543210", Invalid: "API_KEY_INVALID: API key not valid"},
			},
			Waitlist: []scheduler.Waitlisted{{Hash: 0xcafebabe, Start: now.Add(33 * time.Second)}, {Hash: 1, Start: now.Add(-time.Second)}},
			Writers:  []scheduler.Writer{{Instance: 1, Seq: 1 << 40}, {Instance: 1<<32 - 1, Seq: 2}},
			Totals: scheduler.Totals{
				Day:      today,
				Callers:  []scheduler.CallerTotal{{Caller: "alice", Requests: 70, Tokens: 200_000}, {Caller: "bob@example.com", Requests: 31, Tokens: -5}},
				Failures: []scheduler.FailureTotal{{Class: "quota", N: 2}, {Class: "overloaded", N: 1}},
				Reads:    400, Writes: 300,
			},
		},
	}
}

// goldenRelease is the build that wrote what lies in testdata.
const goldenRelease = "4bd3115"

func golden(t testing.TB, name string) []byte {
	data, err := os.ReadFile(filepath.Join("testdata", goldenRelease, name+".state"))
	require.NoError(t, err)
	return data
}

// What the last release has stored is read to the same states, and written as
// the same bytes, for that release reads them too.
func TestGoldenStates(t *testing.T) {
	for name, p := range goldenStates() {
		t.Run(name, func(t *testing.T) {
			data := golden(t, name)
			back, err := New().Unpack(Document{State: data})
			require.NoError(t, err)
			require.Equal(t, p, back)
			require.Equal(t, data, encode(p))
		})
	}
	data, err := pack(rulesFor(scheduler.Limits{RPM: 20_000, TPM: 1 << 40, RPD: 1 << 40}), scheduler.At(epoch), fullest())
	require.NoError(t, err)
	require.Equal(t, golden(t, "fullest"), data, "what is kept of too much is the same, too")
}
