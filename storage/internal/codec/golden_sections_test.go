package codec

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

// goldenSections is the build that wrote the document with every section that lies in testdata.
const goldenSections = "bff8760"

// sectioned returns what that document holds: of every section something.
func sectioned() *scheduler.Project {
	const model = "groq/llama"
	now, today := goldenAt, scheduler.DayOf(goldenAt)
	limit := func(n int64) scheduler.LearnedLimit {
		return scheduler.LearnedLimit{Limit: n, At: now.Add(-time.Hour)}
	}
	sent := func(id uint64, ago, lasts time.Duration, tokens int64) *scheduler.Reservation {
		return &scheduler.Reservation{ID: id, Start: now.Add(-ago), End: now.Add(lasts - ago), Tokens: tokens, Requests: 1}
	}
	return &scheduler.Project{
		Latest: now, NextRank: 9,
		Calendars: []*scheduler.Calendar{
			{
				Model:    model,
				Sent:     []*scheduler.Reservation{sent(1, 20*time.Second, 60500*time.Millisecond, 900), sent(2, time.Second, 60750*time.Millisecond, 1000)},
				Open:     []uint32{2},
				Bookings: []scheduler.Booking{{ID: 3, Hash: 7, Rank: 8, Start: now.Add(5 * time.Second), Since: now, Demand: scheduler.Demand{Tokens: 5}, Hold: 30 * time.Second}},
				Days:     []scheduler.DayCount{{Day: today, Requests: 2, Tokens: 1900}},
				Learned:  scheduler.Learned{TPM: limit(24_000)},
			},
			{
				Model:   scheduler.OfWindow(model, 10*time.Second),
				Sent:    []*scheduler.Reservation{sent(2, time.Second, 10750*time.Millisecond, 0)},
				Folded:  []scheduler.Folded{{End: now.Add(2300 * time.Millisecond), Requests: 4}},
				Days:    []scheduler.DayCount{{Day: today, Requests: 5}},
				Learned: scheduler.Learned{RPM: limit(70)},
				Unsure:  scheduler.Unsure{At: now.Add(-time.Hour), Requests: 3},
			},
			{
				Model:   scheduler.OfUsed(model),
				Sent:    []*scheduler.Reservation{sent(2, time.Second, 1250*time.Millisecond, 1000)},
				Open:    []uint32{2},
				Days:    []scheduler.DayCount{{Day: today, Requests: 1, Tokens: 1000}},
				Learned: scheduler.Learned{TPM: limit(12_000)},
				Debt:    scheduler.Debt{At: now, Per: 60_000, Tokens: 500 * 60_000},
				Unsure:  scheduler.Unsure{At: now.Add(-time.Hour), Requests: 3},
			},
		},
		Writers: []scheduler.Writer{{Instance: 1, Seq: 5}},
		Totals:  scheduler.Totals{Day: today, Reads: 1, Writes: 5},
		Services: []scheduler.Service{
			{Model: scheduler.NameOf(model), Caller: scheduler.CallerOf("alice"), Requests: 2, Tokens: 1900, Level: 40, At: now.Add(-10 * time.Second)},
		},
		Idle: []scheduler.Idle{
			{Name: scheduler.NameOf("gemini-2.5-pro"), Day: scheduler.DayCount{Day: today, Requests: 4, Tokens: 90}, Learned: scheduler.Learned{RPD: limit(100)}},
		},
		Forgotten: scheduler.DayCount{Day: today, Requests: 1, Tokens: 2},
		Unsure:    scheduler.Unsure{At: now.Add(-time.Hour), Requests: 3},
		Epoch:     12,
	}
}

// What a build has stored in its sections is read to the same state, and written as the same bytes. What it holds
// never changes; a section that is added gets a document of its own.
func TestGoldenSections(t *testing.T) {
	field := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("testdata", goldenSections, name))
		require.NoError(t, err)
		return data
	}
	doc, c := Document{State: field("sections.state"), Sections: field("sections.sections")}, New(Sections()...)
	parts, ok := parse(doc.Sections)
	require.True(t, ok)
	var tags []uint64
	for _, x := range parts {
		tags = append(tags, x.tag)
	}
	assert.ElementsMatch(t, []uint64{16, 17, 18, 19, 20, 21, 22, 23, 24}, tags)
	assert.Equal(t, sectioned(), read(t, c, doc))
	assert.Equal(t, doc, write(t, c, sectioned(), nil))

	// Beside a build that knows no bucket for what is used there is less in a minute.
	old, err := New().Unpack(doc)
	require.NoError(t, err)
	assert.EqualValues(t, 12_000, old.Calendar("groq/llama").Learned.TPM.Limit)
}
