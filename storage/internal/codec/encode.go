package codec

import (
	"encoding/binary"
	"time"
	"unicode/utf8"

	"fluxgate.dev/fluxgate/scheduler"
)

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

// stateVersion is the first byte of every encoded state.
//
// Version 1 is a sequence of varints (zigzag where a value can be negative),
// strings with their length before them, and lists with their count before
// them, in the order of the fields of scheduler.Project. Instants are
// milliseconds relative to the one before, beginning with Project.Latest; ends
// of reservations are relative to start plus scheduler.Window, folded ends are
// whole seconds. Random numbers take 8 bytes. So a sent request takes about 16
// bytes, a folded sum 5 and a booking 27.
//
// It can't be changed as long as a build is in use that reads only this one:
// what is added goes into a [Section].
const stateVersion = 1

// encode encodes a project as the first field of a document.
func encode(p *scheduler.Project) []byte {
	size := 128 + 100*len(p.Marks) + 10*len(p.Waitlist) + 12*len(p.Writers) + 64*len(p.Totals.Callers)
	for _, c := range p.Calendars {
		size += 128 + 20*len(c.Sent) + 10*len(c.Folded) + 32*len(c.Bookings)
	}
	e := &encoder{b: make([]byte, 1, size)} // about as much as it takes
	e.b[0] = stateVersion
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

const second = 1000 // milliseconds

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
	before := e.last / second
	for _, x := range c.Folded {
		end := x.End.Ceil(second) / second
		e.int(int64(end - before))
		before = end
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
		e.day(d)
	}
	e.lessons(c.Block, &c.Learned, c.Refused)
}

func (e *encoder) day(d scheduler.DayCount) {
	e.int(int64(d.Day))
	e.int(d.Requests)
	e.int(d.Tokens)
}

// lessons encodes what upstream's refusals said.
func (e *encoder) lessons(b scheduler.Block, l *scheduler.Learned, refused int64) {
	e.str(string(b.Cause))
	if b.Cause != scheduler.NoCause {
		e.at(b.Until)
		e.int(b.Strikes)
	}
	e.learned(l)
	e.int(refused)
}

// learned encodes what was learned: one zero byte where nothing was.
func (e *encoder) learned(l *scheduler.Learned) {
	learned := []scheduler.LearnedLimit{l.RPM, l.TPM, l.RPD}
	var flags byte
	for i, x := range learned {
		if x.Limit != 0 {
			flags |= 1 << i
		}
	}
	if l.Probe.Cause != scheduler.NoCause {
		flags |= probing
	}
	e.b = append(e.b, flags)
	for _, x := range learned {
		if x.Limit != 0 {
			e.at(x.At)
			e.int(x.Limit)
		}
	}
	if flags&probing != 0 {
		e.str(string(l.Probe.Cause))
		e.id(probeID(l.Probe.Cause, l.Probe.ID))
		e.at(l.Probe.Until)
	}
}

// probeID returns the ID of a probe as it is stored, and as it is of what was stored. Of
// one that is tried after a block it is another than its reservation's: to builds that know
// probes of limits only (4bd3115) a reservation of that ID would weigh nothing until it is
// answered, and they would send one request more than the limit.
func probeID(cause scheduler.Cause, id uint64) uint64 {
	if cause.OfBlock() {
		return ^id
	}
	return id
}

// probing flags a probe in what was learned, beside one bit for each limit.
const probing = 1 << 3

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
