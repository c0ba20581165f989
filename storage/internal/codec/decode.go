package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

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

// ErrCorrupt means that a state isn't one that any build wrote.
var ErrCorrupt = errors.New("packed project state is corrupt")

// decode decodes what encode encoded, all of it or nothing: a reservation that
// isn't understood is one too few. So it refuses a version that it doesn't know,
// and whatever comes after the end.
func decode(data []byte) (*scheduler.Project, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: empty", ErrCorrupt)
	}
	if data[0] != stateVersion {
		return nil, fmt.Errorf("version %d: this build reads version %d", data[0], stateVersion)
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
		return nil, fmt.Errorf("%w", ErrCorrupt)
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
	c.Days = list(d, d.day)
	c.Block, c.Learned, c.Refused = d.lessons()
	return c
}

func (d *decoder) day() scheduler.DayCount {
	return scheduler.DayCount{Day: scheduler.Day(d.int()), Requests: d.int(), Tokens: d.int()}
}

func (d *decoder) lessons() (b scheduler.Block, l scheduler.Learned, refused int64) {
	if cause := scheduler.Cause(d.str()); cause != scheduler.NoCause {
		b = scheduler.Block{Cause: cause, Until: d.at(), Strikes: d.int()}
	}
	return b, d.learned(), d.int()
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
		l.Probe.ID = probeID(l.Probe.Cause, l.Probe.ID)
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
