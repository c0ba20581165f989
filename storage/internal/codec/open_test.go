package codec

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fluxgate.dev/fluxgate/scheduler"
)

// busy returns a project with models of 4,000 requests a minute, of which each was
// sent so many requests within the last seconds, and the last of those reservations.
func busy(t testing.TB, models, requests int) (*scheduler.Rules, *scheduler.Project, scheduler.Reservation) {
	rules := rulesFor(scheduler.Limits{RPM: 4000, TPM: 1 << 40, RPD: 1 << 40})
	var chain []string
	for i := range models {
		chain = append(chain, fmt.Sprint("model-pro-", i))
	}
	unlimited := int64(1 << 40)
	rules.Policy = scheduler.NewPolicy(chain, map[string]scheduler.Override{"pro": {RPM: new(int64(4000)), TPM: &unlimited, RPD: &unlimited}})
	var p *scheduler.Project
	var last scheduler.Reservation
	for i := range requests * models {
		now := goldenAt + scheduler.Instant(i)
		next, result := p.Apply(rules, now, scheduler.Reserve{
			Model: fmt.Sprint("model-pro-", i%models), ID: uint64(i) + 1, Demand: scheduler.Demand{Tokens: 1000},
		})
		require.Equal(t, scheduler.Admitted, result.Verdict)
		if p = next; i/models == requests/2 {
			last = result.Reservation
		}
	}
	return rules, p, last
}

func window(rules *scheduler.Rules, p *scheduler.Project) int64 {
	var n int64
	for _, c := range p.Calendars {
		_, tokens := c.InWindow(rules, p.Latest)
		n += tokens
	}
	return n
}

// What is on its way goes through the document, so that whoever reads it can give
// back what a folded request weighs too much; a build that doesn't know of it makes
// that unknown, and then nothing is given back.
func TestOpenIsKept(t *testing.T) {
	rules, p, some := busy(t, 1, 300)
	c := New(Sections()...)
	doc, err := c.Pack(rules, p.Latest, p, nil)
	require.NoError(t, err)
	assert.InDelta(t, 3*300, len(doc.Sections), 40, "three bytes each")
	back := read(t, c, doc)
	require.Equal(t, p.Calendars[0].Open, back.Calendars[0].Open)
	settle := scheduler.Settle{Model: "model-pro-0", ID: some.ID, Reserved: some, Tokens: 400}
	next, result := back.Apply(rules, back.Latest, settle)
	assert.True(t, result.Changed)
	assert.Equal(t, window(rules, back)-600, window(rules, next))

	// 4bd3115 settles the same request, as it did, and writes the state alone.
	old, err := decode(doc.State)
	require.NoError(t, err)
	old = old.Wrote(7, 1)
	back = read(t, c, Document{encode(old), doc.Sections})
	assert.Nil(t, back.Calendars[0].Open)
	_, result = back.Apply(rules, back.Latest, settle)
	assert.False(t, result.Changed)

	// The next write takes the section away.
	doc, err = c.Pack(rules, back.Latest, back, doc.Sections)
	require.NoError(t, err)
	assert.Equal(t, []byte{sectionsFormat}, doc.Sections)
}

// Under the limits of today nothing is folded, and there is no second field.
func TestOpenCostsNothingToday(t *testing.T) {
	rules := rulesFor(scheduler.Limits{RPM: 15, TPM: 250_000, RPD: 1000})
	p, _ := (*scheduler.Project)(nil).Apply(rules, goldenAt, scheduler.Reserve{Model: "m-pro", ID: 1})
	doc, err := New(Sections()...).Pack(rules, goldenAt, p, nil)
	require.NoError(t, err)
	assert.Nil(t, doc.Sections)
	plain, err := New().Pack(rules, goldenAt, p, nil)
	require.NoError(t, err)
	assert.Equal(t, plain, doc)
}

// A project knows of a bounded number, whatever it sends to however many models.
func TestOpenIsBounded(t *testing.T) {
	for _, models := range []int{1, 3, scheduler.MaxModels} {
		rules, p, _ := busy(t, models, 600)
		doc, err := New(Sections()...).Pack(rules, p.Latest, p, nil)
		require.NoError(t, err)
		assert.LessOrEqual(t, len(doc.Sections), MaxSections)
		assert.LessOrEqual(t, len(doc.State)+len(doc.Sections), MaxDocument)
		back, all := read(t, New(Sections()...), doc), 0
		for i, c := range back.Calendars {
			all += len(c.Open)
			known := p.Calendars[i].Open
			assert.Equal(t, known[len(known)-len(c.Open):], c.Open, "the last")
		}
		assert.LessOrEqual(t, all, scheduler.MaxOpen)
		assert.Greater(t, all, scheduler.MaxOpen/8)
		t.Logf("%d models: %d on their way in %d bytes, state %d bytes", models, all, len(doc.Sections), len(doc.State))
	}
}

// Damaged data is as good as none, and costs neither the instance nor its memory.
func FuzzOpen(f *testing.F) {
	rules, p, _ := busy(f, 2, 70)
	doc, err := New(Sections()...).Pack(rules, p.Latest, p, nil)
	require.NoError(f, err)
	parts, _ := parse(doc.Sections)
	f.Add(parts[0].data)
	f.Add([]byte{0, 1, 2, 3, 4})
	f.Add([]byte{9, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, data []byte) {
		base := read(t, New(), doc)
		given := open.Give(base, data, true)
		require.Len(t, given.Calendars, len(base.Calendars))
		require.Equal(t, encode(base), encode(given), "nothing else changes")
		for _, c := range given.Calendars {
			require.LessOrEqual(t, len(c.Open), scheduler.MaxOpen)
		}
	})
}

// Whatever is on its way is read as it was written.
func TestOpenRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := anyProject(rt)
		for _, c := range p.Calendars {
			c.Open = rapid.SliceOfN(rapid.Uint32Max(1<<24-1), 0, 100).Draw(rt, "open")
			if len(c.Open) == 0 {
				c.Open = nil
			}
		}
		_, data := open.Take(nil, p)
		bare, err := decode(encode(p))
		require.NoError(rt, err)
		require.Equal(rt, p, open.Give(bare, data, true))
		require.Equal(rt, bare, open.Give(bare, data, false))
	})
}

// Retrieving what is known costs little beside the rest.
func BenchmarkPackOpen(b *testing.B) {
	rules, p, _ := busy(b, 1, 600)
	for name, c := range map[string]*Codec{"with": New(Sections()...), "without": New()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				doc, err := c.Pack(rules, p.Latest.Add(time.Second), p, nil)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := c.Unpack(doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
