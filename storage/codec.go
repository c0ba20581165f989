package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"fluxgate.dev/fluxgate/scheduler"
)

// MaxDocument is the most bytes that the packed state of a project takes.
const MaxDocument = 8 << 10

// codecVersion is the first byte of every packed state.
//
// Version 1 is a sequence of varints (zigzag where a value can be negative),
// strings with their length before them, and lists with their count before
// them, in the order of the fields of scheduler.Project. Instants are
// milliseconds relative to the one before, beginning with Project.Latest; ends
// of reservations are relative to start plus scheduler.Window, coarse ends are
// whole seconds. Random numbers take 8 bytes. So a sent request takes about 16
// bytes, a coarse sum 5 and a booking 27.
const codecVersion = 1

var errCorrupt = errors.New("packed project state is corrupt")

// levels are how much pack keeps: the most sent requests per calendar that are
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

// pack encodes a project in at most MaxDocument bytes. It keeps less exactly
// when it must: rounding never lets a reservation end early.
func pack(rules *scheduler.Rules, now scheduler.Instant, p *scheduler.Project) ([]byte, error) {
	for _, l := range levels {
		p = p.Compact(rules, now, l.exact, l.grain)
		if data := encode(p); len(data) <= MaxDocument {
			return data, nil
		}
	}
	// What is only there to be looked at goes before what is decided by.
	if data := encode(p.WithoutTotals()); len(data) <= MaxDocument {
		return data, nil
	}
	return nil, fmt.Errorf("pack project state: over %d bytes", MaxDocument)
}

// maxReason bounds, in bytes, what is kept of upstream's reason to call a key
// invalid.
const maxReason = 64

// shorten cuts s to at most n bytes, between characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

type encoder struct {
	b    []byte
	last scheduler.Instant
}

func (e *encoder) uint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)   { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) len(n int)     { e.uint(uint64(n)) }
func (e *encoder) str(s string)  { e.len(len(s)); e.b = append(e.b, s...) }

// id encodes a random number, for which a varint would take longer.
func (e *encoder) id(v uint64) { e.b = binary.BigEndian.AppendUint64(e.b, v) }

func (e *encoder) flag(v bool) {
	if v {
		e.b = append(e.b, 1)
	} else {
		e.b = append(e.b, 0)
	}
}

// at encodes an instant relative to the one encoded before.
func (e *encoder) at(i scheduler.Instant) {
	e.int(int64(i - e.last))
	e.last = i
}

func encode(p *scheduler.Project) []byte {
	e := &encoder{b: make([]byte, 1, 1024)}
	e.b[0] = codecVersion
	e.at(p.Latest)
	e.uint(p.NextRank)
	e.int(p.Moved)
	e.len(len(p.Calendars))
	for _, c := range p.Calendars {
		e.last = p.Latest
		e.calendar(c)
	}
	e.last = p.Latest
	e.len(len(p.Marks))
	for _, m := range p.Marks {
		e.str(m.Key)
		e.flag(m.Disabled)
		e.str(shorten(m.Invalid, maxReason))
	}
	e.len(len(p.Waitlist))
	for _, t := range p.Waitlist {
		e.b = binary.BigEndian.AppendUint32(e.b, t.Hash)
		e.at(t.Start)
	}
	e.len(len(p.Writers))
	for _, w := range p.Writers {
		e.b = binary.BigEndian.AppendUint32(e.b, w.Instance)
		e.uint(w.Seq)
	}
	e.totals(&p.Totals)
	return e.b
}

func (e *encoder) totals(t *scheduler.Totals) {
	e.int(int64(t.Day))
	e.len(len(t.Callers))
	for _, x := range t.Callers {
		e.str(x.Caller)
		e.int(x.Requests)
		e.int(x.Tokens)
	}
	e.len(len(t.Failures))
	for _, x := range t.Failures {
		e.str(x.Class)
		e.int(x.N)
	}
	e.int(t.Reads)
	e.int(t.Writes)
}

const windowMillis = scheduler.Instant(scheduler.Window / time.Millisecond)

func (e *encoder) calendar(c *scheduler.Calendar) {
	e.str(c.Model)
	e.len(len(c.Sent))
	for _, r := range c.Sent {
		e.id(r.ID)
		e.at(r.Start)
		e.int(int64(r.End - r.Start - windowMillis))
		e.int(r.Tokens)
		// Almost always one request that doesn't straddle: one zero byte.
		flags := uint64(r.Requests-1) << 1
		if r.Straddles {
			flags |= 1
		}
		e.uint(flags)
	}
	e.len(len(c.Folded))
	second := e.last / 1000
	for _, x := range c.Folded {
		e.int(int64(x.End/1000 - second))
		second = x.End / 1000
		e.int(x.Tokens)
		e.int(x.Requests)
	}
	e.len(len(c.Bookings))
	for _, b := range c.Bookings {
		e.id(b.ID)
		e.id(b.Hash)
		e.uint(b.Rank)
		e.at(b.Start)
		e.int(int64(b.Start - b.Since))
		e.int(b.Demand.Tokens)
		e.int(b.Demand.Requests)
		e.int(int64(b.Demand.Allowance / time.Millisecond))
	}
	e.len(len(c.Days))
	for _, d := range c.Days {
		e.int(int64(d.Day))
		e.int(d.Requests)
		e.int(d.Tokens)
	}
	e.str(string(c.Block.Cause))
	if c.Block.Cause != scheduler.NoCause {
		e.at(c.Block.Until)
		e.int(c.Block.Strikes)
	}
	e.learned(&c.Learned)
	e.int(c.Refused)
}

// learned encodes what was learned: one zero byte where nothing was.
func (e *encoder) learned(l *scheduler.Learned) {
	lessons := []scheduler.LearnedLimit{l.RPM, l.TPM, l.RPD}
	var flags byte
	for i, x := range lessons {
		if x.Limit != 0 {
			flags |= 1 << i
		}
	}
	if l.Probe.Cause != scheduler.NoCause {
		flags |= probing
	}
	e.b = append(e.b, flags)
	for _, x := range lessons {
		if x.Limit != 0 {
			e.at(x.At)
			e.int(x.Limit)
		}
	}
	if flags&probing != 0 {
		e.str(string(l.Probe.Cause))
		e.id(l.Probe.ID)
		e.at(l.Probe.Until)
	}
}

// probing flags a probe in what was learned, beside one bit for each lesson.
const probing = 1 << 3

type decoder struct {
	b    []byte
	last scheduler.Instant
	bad  bool
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	return decoded(d, v, n)
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	return decoded(d, v, n)
}

func decoded[T uint64 | int64](d *decoder, v T, n int) T {
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes returns the next n bytes, or zeros when there are fewer.
func (d *decoder) bytes(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.bad, d.b = true, nil
		return make([]byte, min(max(n, 0), 8))
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

// len returns a count, which can't be larger than the bytes that are left.
func (d *decoder) len() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) id() uint64  { return binary.BigEndian.Uint64(d.bytes(8)) }
func (d *decoder) str() string { return string(d.bytes(d.len())) }
func (d *decoder) flag() bool  { return d.bytes(1)[0] != 0 }

func (d *decoder) at() scheduler.Instant {
	d.last += scheduler.Instant(d.int())
	return d.last
}

// list decodes a counted list; an empty one is nil.
func list[T any](d *decoder, one func() T) []T {
	n := d.len()
	if n == 0 {
		return nil
	}
	out := make([]T, 0, min(n, 1024)) // the count may be a lie
	for i := 0; i < n && !d.bad; i++ {
		out = append(out, one())
	}
	return out
}

// unpack decodes what pack encoded.
func unpack(data []byte) (*scheduler.Project, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("unpack: %w: empty", errCorrupt)
	}
	if data[0] != codecVersion {
		return nil, fmt.Errorf("unpack: version %d: this build reads version %d", data[0], codecVersion)
	}
	d := &decoder{b: data[1:]}
	p := &scheduler.Project{Latest: d.at(), NextRank: d.uint(), Moved: d.int()}
	p.Calendars = list(d, func() *scheduler.Calendar {
		d.last = p.Latest
		return d.calendar()
	})
	d.last = p.Latest
	p.Marks = list(d, func() scheduler.Mark {
		return scheduler.Mark{Key: d.str(), Disabled: d.flag(), Invalid: d.str()}
	})
	p.Waitlist = list(d, func() scheduler.Waitlisted {
		return scheduler.Waitlisted{Hash: binary.BigEndian.Uint32(d.bytes(4)), Start: d.at()}
	})
	p.Writers = list(d, func() scheduler.Writer {
		return scheduler.Writer{Instance: binary.BigEndian.Uint32(d.bytes(4)), Seq: d.uint()}
	})
	p.Totals = d.totals()
	if d.bad || len(d.b) > 0 {
		return nil, fmt.Errorf("unpack: %w", errCorrupt)
	}
	return p, nil
}

func (d *decoder) calendar() *scheduler.Calendar {
	c := &scheduler.Calendar{Model: d.str()}
	c.Sent = list(d, func() *scheduler.Reservation {
		r := &scheduler.Reservation{ID: d.id(), Start: d.at()}
		r.End = r.Start + windowMillis + scheduler.Instant(d.int())
		r.Tokens = d.int()
		flags := d.uint()
		r.Requests, r.Straddles = int64(flags>>1)+1, flags&1 == 1
		return r
	})
	second := d.last / 1000
	c.Folded = list(d, func() scheduler.Folded {
		second += scheduler.Instant(d.int())
		return scheduler.Folded{End: second * 1000, Tokens: d.int(), Requests: d.int()}
	})
	c.Bookings = list(d, func() scheduler.Booking {
		b := scheduler.Booking{ID: d.id(), Hash: d.id(), Rank: d.uint(), Start: d.at()}
		b.Since = b.Start - scheduler.Instant(d.int())
		b.Demand = scheduler.Demand{Tokens: d.int(), Requests: d.int()}
		b.Demand.Allowance = time.Duration(d.int()) * time.Millisecond
		return b
	})
	c.Days = list(d, func() scheduler.DayCount {
		return scheduler.DayCount{Day: scheduler.Day(d.int()), Requests: d.int(), Tokens: d.int()}
	})
	if cause := scheduler.Cause(d.str()); cause != scheduler.NoCause {
		c.Block = scheduler.Block{Cause: cause, Until: d.at(), Strikes: d.int()}
	}
	c.Learned = d.learned()
	c.Refused = d.int()
	return c
}

func (d *decoder) learned() (l scheduler.Learned) {
	flags := d.bytes(1)[0]
	for i, to := range []*scheduler.LearnedLimit{&l.RPM, &l.TPM, &l.RPD} {
		if flags&(1<<i) != 0 {
			*to = scheduler.LearnedLimit{At: d.at(), Limit: d.int()}
		}
	}
	if flags&probing != 0 {
		l.Probe = scheduler.Probe{Cause: scheduler.Cause(d.str()), ID: d.id(), Until: d.at()}
	}
	return l
}

func (d *decoder) totals() scheduler.Totals {
	t := scheduler.Totals{Day: scheduler.Day(d.int())}
	t.Callers = list(d, func() scheduler.CallerTotal {
		return scheduler.CallerTotal{Caller: d.str(), Requests: d.int(), Tokens: d.int()}
	})
	t.Failures = list(d, func() scheduler.FailureTotal {
		return scheduler.FailureTotal{Class: d.str(), N: d.int()}
	})
	t.Reads, t.Writes = d.int(), d.int()
	return t
}
