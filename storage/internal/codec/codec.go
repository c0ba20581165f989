package codec

import (
	"fmt"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

const (
	// MaxDocument is the most bytes that the two fields of a document take
	// together.
	MaxDocument = 8 << 10
	// MaxSections is the most bytes that the second field takes of that, so that
	// sections never make the state much coarser than it would be without them.
	MaxSections = 2 << 10
	// MaxModelName is the most bytes of a model's name, so that there is room for
	// as many calendars as a project has.
	MaxModelName = 96
)

// A Document is what is stored of one project: two fields, always written
// together.
type Document struct {
	// State is what every build since the first reads.
	State []byte
	// Sections is the second field, with what some builds can't read. It is nil
	// where there is none.
	Sections []byte
}

// A Codec encodes and decodes documents for a build that knows certain sections.
// The zero Codec knows none. It may be used by any number of goroutines.
type Codec struct{ sections []Section }

// New returns a codec that knows these sections.
func New(sections ...Section) *Codec { return &Codec{sections} }

// levels are how much Pack keeps: the most sent requests per calendar that are
// kept one by one, which alone can be cancelled and trimmed, and what the ends
// of the others are rounded up to. The first that fits is used; a project of
// few models never leaves the first.
var levels = []struct {
	exact int
	grain time.Duration
}{
	{scheduler.MaxExact, time.Second}, {32, time.Second}, {16, time.Second},
	{16, 2 * time.Second}, {8, 2 * time.Second}, {8, 4 * time.Second},
	{4, 8 * time.Second}, {2, 16 * time.Second}, {1, 64 * time.Second},
}

// Pack encodes a project in at most MaxDocument bytes. It keeps less exactly
// when it must: rounding never lets a reservation end early. The sections are
// those of the document that is replaced, of which the unknown ones are kept.
//
// Where short windows have ends within a second, these are kept with fewer requests one by one,
// if need be, and are rounded to whole seconds where they don't fit even so.
//
// Who waits is given up first, then what callers were served, and for how long bookings are kept: no
// limit depends on it.
//
// Where all of it doesn't fit even then, the sections are given up, for whoever
// knows one and doesn't find it takes it conservatively, while a state that
// can't be written would stop its project.
func (c *Codec) Pack(rules *scheduler.Rules, now scheduler.Instant, p *scheduler.Project, sections []byte) (Document, error) {
	if fractional(p) {
		for _, n := range []int{scheduler.MaxExact, 32, 16} {
			if doc := c.joinMost(rules, p.Compact(rules, now, n, 0), sections); doc.fits() {
				return doc, nil
			}
		}
	}
	for _, encode := range []func(*scheduler.Rules, *scheduler.Project, []byte) Document{c.joinMost, c.alone} {
		fitting := p
		for _, l := range levels {
			fitting = fitting.Compact(rules, now, l.exact, l.grain)
			doc := encode(rules, fitting, sections)
			if !doc.fits() {
				fitting = withHolds(fitting, func(scheduler.Booking) time.Duration { return 0 })
				fitting.Services, fitting.Waiters = nil, nil
				doc = encode(rules, fitting, sections)
			}
			if doc.fits() {
				return doc, nil
			}
		}
		// What is only there to be looked at, or to recognise a caller by, goes before
		// what is decided by.
		for _, less := range []*scheduler.Project{withoutTotals(fitting), bare(fitting)} {
			if doc := encode(rules, less, sections); doc.fits() {
				return doc, nil
			}
		}
	}
	return Document{}, fmt.Errorf("pack project state: over %d bytes", MaxDocument)
}

// joinMost encodes a project as join does, without who waits where that doesn't fit beside the rest.
func (c *Codec) joinMost(rules *scheduler.Rules, p *scheduler.Project, before []byte) Document {
	doc := c.join(rules, p, before)
	if doc.fits() || len(p.Waiters) == 0 {
		return doc
	}
	less := *p
	less.Waiters = nil
	return c.join(rules, &less, before)
}

// withoutTotals returns the project without what is counted to be looked at.
func withoutTotals(p *scheduler.Project) *scheduler.Project {
	next := *p
	next.Totals.Callers, next.Totals.Failures = nil, nil
	next.Calendars = slices.Clone(p.Calendars)
	for i, c := range p.Calendars {
		less := *c
		less.Days = slices.Clone(c.Days)
		for j := range less.Days {
			less.Days[j].Tokens = 0
		}
		next.Calendars[i] = &less
	}
	return &next
}

// bare returns the project with nothing but what is decided by.
func bare(p *scheduler.Project) *scheduler.Project {
	p = withoutTotals(p)
	p.Waitlist, p.Marks = nil, slices.Clone(p.Marks)
	for i := range p.Marks {
		p.Marks[i].Invalid = shorten(p.Marks[i].Invalid, maxReason/4)
	}
	return p
}

func (d Document) fits() bool {
	return len(d.Sections) <= MaxSections && len(d.State)+len(d.Sections) <= MaxDocument
}

// Unpack decodes a document. What it returns of the second field is to be taken
// conservatively where another build wrote last; see [Section].
func (c *Codec) Unpack(doc Document) (*scheduler.Project, error) {
	p, err := decode(doc.State)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return c.split(p, doc), nil
}
