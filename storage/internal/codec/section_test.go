package codec

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fluxgate.dev/fluxgate/scheduler"
)

const featurePrefix = "feature:"

// features is what a section can be used for: calendars of features, which
// builds before it would take for models.
func features(tag uint64) Section {
	prefix := featurePrefix + string(rune('a'+tag)) + ":"
	theirs := func(c *scheduler.Calendar) bool { return strings.HasPrefix(c.Model, prefix) }
	return Section{
		Tag: tag,
		Take: func(_ *scheduler.Rules, p *scheduler.Project) (*scheduler.Project, []byte) {
			rest, held := *p, []*scheduler.Calendar{}
			rest.Calendars = nil
			for _, c := range p.Calendars {
				if theirs(c) {
					held = append(held, c)
				} else {
					rest.Calendars = append(rest.Calendars, c)
				}
			}
			data, err := json.Marshal(held)
			if err != nil {
				panic(err)
			}
			return &rest, data
		},
		Give: func(p *scheduler.Project, data []byte, current bool) *scheduler.Project {
			all := *p
			var held []*scheduler.Calendar
			if json.Unmarshal(data, &held) != nil {
				held, current = nil, false
			}
			if !current {
				// Whoever wrote last may have used all of it until then.
				name := prefix + "search"
				i := slices.IndexFunc(held, func(c *scheduler.Calendar) bool { return c.Model == name })
				if i < 0 {
					held, i = append(held, &scheduler.Calendar{Model: name}), len(held)
				}
				held[i].Block = scheduler.Block{Cause: scheduler.ByMinute, Until: p.Latest.Add(scheduler.Window)}
			}
			all.Calendars = append(slices.Clip(all.Calendars), held...)
			return &all
		},
	}
}

// state returns the nth state of a project whose features a and b were used so
// many times today; 0: never.
func state(n uint64, a, b int64) *scheduler.Project {
	now := goldenAt.Add(time.Duration(n) * time.Second)
	p := &scheduler.Project{Latest: now, NextRank: 1, Writers: []scheduler.Writer{{Instance: 1, Seq: n}}}
	for i, times := range []int64{1, a, b} {
		if times > 0 {
			name := []string{"gemini-2.5-pro", featurePrefix + "a:search", featurePrefix + "b:search"}[i]
			p.Calendars = append(p.Calendars, &scheduler.Calendar{Model: name, Days: []scheduler.DayCount{{Day: scheduler.DayOf(now), Requests: times}}})
		}
	}
	return p
}

var sectionRules = rulesFor(scheduler.Limits{RPM: 100, TPM: 1 << 40, RPD: 1 << 40})

func write(t testing.TB, c *Codec, p *scheduler.Project, sections []byte) Document {
	doc, err := c.Pack(sectionRules, p.Latest, p, sections)
	require.NoError(t, err)
	require.LessOrEqual(t, len(doc.State)+len(doc.Sections), MaxDocument)
	return doc
}

func read(t testing.TB, c *Codec, doc Document) *scheduler.Project {
	p, err := c.Unpack(doc)
	require.NoError(t, err)
	return p
}

func used(p *scheduler.Project, name string) int64 {
	var sum int64
	for _, d := range p.Calendar(name).Days {
		sum += d.Requests
	}
	return sum
}

func blocked(p *scheduler.Project, name string) bool {
	return p.Calendar(name).Block.Until > p.Latest
}

// Three builds write a document in turn: one from before there were sections, one
// that knows a, and one that knows a and b.
func TestBuildsInTurn(t *testing.T) {
	const a, b = featurePrefix + "a:search", featurePrefix + "b:search"
	one, two := New(features(0)), New(features(0), features(1))
	// What the release before sections does: it writes the state, and leaves
	// whatever else is in the document.
	old := func(p *scheduler.Project, sections []byte) Document { return Document{encode(p), sections} }

	doc := write(t, two, state(1, 5, 7), nil)
	p := read(t, two, doc)
	require.Equal(t, encode(state(1, 5, 7)), encode(p), "nothing is lost, nor added")
	back, err := decode(doc.State)
	require.NoError(t, err)
	require.Len(t, back.Calendars, 1, "an old build sees the model only")

	// An old build writes: what it did isn't in the sections.
	doc = old(state(2, 0, 0), doc.Sections)
	p = read(t, two, doc)
	assert.True(t, blocked(p, a), "used to its limit, for all that is known")
	assert.True(t, blocked(p, b))
	assert.EqualValues(t, 5, used(p, a), "what was counted still counts")

	// A build that knows a writes, and makes a current. b is kept as it was.
	doc = write(t, one, state(3, 6, 0), doc.Sections)
	p = read(t, two, doc)
	assert.False(t, blocked(p, a))
	assert.EqualValues(t, 6, used(p, a))
	assert.True(t, blocked(p, b), "the writer didn't know it")
	assert.EqualValues(t, 7, used(p, b), "but kept it")
	doc = write(t, one, state(4, 8, 0), doc.Sections)
	assert.EqualValues(t, 7, used(read(t, two, doc), b), "again and again")

	doc = write(t, two, state(5, 8, 9), doc.Sections)
	p = read(t, two, doc)
	assert.False(t, blocked(p, a))
	assert.False(t, blocked(p, b))

	// One that knows none rewrites the field as it is.
	same := write(t, New(), state(6, 0, 0), doc.Sections)
	assert.Equal(t, doc.Sections, same.Sections)
	assert.True(t, blocked(read(t, two, same), a))

	// The first state was an old build's.
	p = read(t, two, old(state(7, 0, 0), nil))
	assert.True(t, blocked(p, a))
	assert.True(t, blocked(p, b))
}

// What an unknown section holds is kept, whatever it is.
func TestUnknownSectionsAreKept(t *testing.T) {
	c := New(features(0))
	rapid.Check(t, func(rt *rapid.T) {
		var unknown []part
		for tag := range rapid.SliceOfNDistinct(rapid.Uint64Min(1), 0, 4, rapid.ID).Draw(rt, "tags") {
			unknown = append(unknown, part{
				tag: uint64(tag) + 1, tie: rapid.Uint64().Draw(rt, "tie"),
				data: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(rt, "data"),
			})
		}
		before := format(unknown)
		doc := write(t, c, state(1, 2, 0), before)
		parts, ok := parse(doc.Sections)
		require.True(rt, ok)
		require.Len(rt, parts, len(unknown)+1)
		require.Equal(rt, before, format(parts[:len(unknown)]))
		require.Equal(rt, encode(state(1, 2, 0)), encode(read(t, c, doc)))
	})
}

// A second field that this build can't read is somebody else's. It is left as it
// is, and what this build would find there is missing.
func TestForeignSections(t *testing.T) {
	c := New(features(0))
	twice := format([]part{{tag: 3}, {tag: 3}})
	for name, field := range map[string][]byte{
		"another format": {sectionsFormat + 1, 1, 2, 3},
		"cut short":      format([]part{{tag: 0, data: []byte("[]")}})[:9],
		"a tag twice":    twice,
		"a long promise": {sectionsFormat, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f},
	} {
		t.Run(name, func(t *testing.T) {
			doc := write(t, c, state(1, 2, 0), field)
			assert.Equal(t, field, doc.Sections)
			p := read(t, c, doc)
			assert.True(t, blocked(p, featurePrefix+"a:search"))
			assert.Len(t, p.Calendars, 2)
		})
	}
}

// Data that its own section can't decode is as good as none.
func TestDamagedSection(t *testing.T) {
	c := New(features(0))
	doc := Document{State: encode(state(1, 0, 0))}
	doc.Sections = format([]part{{tag: 0, tie: tie(doc.State), data: []byte("{")}})
	assert.True(t, blocked(read(t, c, doc), featurePrefix+"a:search"))
}

// Sections take their part of the document, and the state is coarser for it. What
// takes more than its part is given up and counts as missing.
func TestSectionsAreBounded(t *testing.T) {
	c := New(features(0))
	full := state(1, 3, 0)
	for i := range 14 {
		calendar := &scheduler.Calendar{Model: strings.Repeat("m", MaxModelName-1) + string(rune('a'+i))}
		for n := range 100 {
			start := full.Latest.Add(time.Duration(n-100) * 500 * time.Millisecond)
			calendar.Sent = append(calendar.Sent, &scheduler.Reservation{ID: 1 << 60, Start: start, End: start.Add(scheduler.Window), Tokens: 1 << 20, Requests: 1})
		}
		full.Calendars = append(full.Calendars, calendar)
	}
	weight := func(p *scheduler.Project) (n int64) {
		for _, c := range p.Calendars {
			requests, _ := weighs(c, p.Latest)
			n += requests
		}
		return n
	}
	unknown := format([]part{{tag: 9, data: make([]byte, MaxSections-700)}})
	doc := write(t, c, full, unknown)
	parts, ok := parse(doc.Sections)
	require.True(t, ok)
	require.Len(t, parts, 2, "both sections are there")
	assert.Greater(t, len(write(t, c, full, nil).State), len(doc.State), "the state made room")
	assert.Equal(t, weight(full), weight(read(t, c, doc)), "and everything counts")

	tooMuch := format([]part{{tag: 9, data: make([]byte, MaxSections)}})
	doc = write(t, c, full, tooMuch)
	assert.Empty(t, doc.Sections)
	require.NotNil(t, doc.Sections, "which replaces the field")
	assert.True(t, blocked(read(t, c, doc), featurePrefix+"a:search"), "taken conservatively")
	doc = write(t, c, state(2, 3, 0), doc.Sections)
	assert.False(t, blocked(read(t, c, doc), featurePrefix+"a:search"), "until it is written again")

	// Not even the worst of all makes a document too large to write.
	p := fullest()
	doc = write(t, New(), p, unknown)
	assert.Empty(t, doc.Sections)
	assert.Len(t, read(t, New(), doc).Calendars, scheduler.MaxModels)
}
