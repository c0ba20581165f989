package returns

import (
	"math/bits"
	"time"
)

// A Record is which of the last 64 requests of a caller that were told a time didn't come
// back for it, a bit each, and how late it came for others. The zero record is that of a
// caller of which nothing is known.
type Record struct {
	missed uint64
	seen   uint8  // of the 64
	next   uint8  // bit to be set
	late   uint16 // milliseconds
}

// And returns what is known once one more came back or didn't.
func (r Record) And(came bool) Record {
	bit := uint64(1) << r.next
	if r.missed &^= bit; !came {
		r.missed |= bit
	}
	r.next, r.seen = (r.next+1)%64, min(r.seen+1, 64)
	return r
}

// Late returns how late the caller came at most, of the times that it came; each time takes a sixteenth
// off what it was before.
func (r Record) Late() time.Duration { return time.Duration(r.late) * time.Millisecond }

// maxLate is more than anybody is waited for.
const maxLate = time.Minute

// after returns what is known once it has come so late.
func (r Record) after(late time.Duration) Record {
	r.late = max(r.late-r.late/16, uint16(min(max(0, late), maxLate)/time.Millisecond))
	return r
}

// Comes reports whether a slot is among those that the caller comes for, if so many times
// as many were as it has come for lately. Of who isn't known yet all are. IDs are random,
// so a slot that is left out stays left out until more is known.
func (r Record) Comes(id uint64, times int) bool {
	seen, came := int(r.seen), int(r.seen)-bits.OnesCount64(r.missed)
	if seen < 64 { // as if one had been that it came for
		seen, came = seen+1, came+1
	}
	return int(id%64)*seen < 64*times*came
}

// Mostly reports whether anything is known of the caller, and whether it came for three of four or more, as far as that is known.
func (r Record) Mostly() (known, mostly bool) {
	return r.seen > 0, 4*bits.OnesCount64(r.missed) <= int(r.seen)
}

// Expects reports whether the caller of a slot is waited for by those that are told a
// time where there is only one caller. As long as at least one in four comes back, all
// are. The others make waits longer than they would be, and that does good: bookings, too,
// are not all returned to, and one that isn't leaves a gap that is hard to fill. Where callers
// return to any of several instances as many times as many come as come here, of whom there
// was one more: those that are told one minute may all have come to others.
func (r Record) Expects(id uint64, instances int) bool {
	if instances > 1 {
		r.seen, r.missed = min(r.seen, 63), r.missed&^(1<<63)
	}
	return r.Comes(id, 4*max(1, instances))
}

// Records are those of many callers, by name: of so many at least, and at most of twice as many,
// those of which something was noted last. They aren't safe for concurrent use.
type Records struct {
	atLeast        int
	recent, before map[string]Record
}

// NewRecords returns records of at least so many callers.
func NewRecords(atLeast int) *Records {
	return &Records{atLeast: atLeast, recent: make(map[string]Record)}
}

// Of returns the record of a caller.
func (r *Records) Of(caller string) Record {
	if x, ok := r.recent[caller]; ok {
		return x
	}
	return r.before[caller]
}

// Note notes that one more request of a caller came back or didn't.
func (r *Records) Note(caller string, came bool) { r.keep(caller, r.Of(caller).And(came)) }

// Came notes that one more came back, and how late.
func (r *Records) Came(caller string, late time.Duration) {
	r.keep(caller, r.Of(caller).And(true).after(late))
}

func (r *Records) keep(caller string, x Record) {
	if _, ok := r.recent[caller]; !ok && len(r.recent) >= r.atLeast {
		r.before, r.recent = r.recent, make(map[string]Record)
	}
	r.recent[caller] = x
}
