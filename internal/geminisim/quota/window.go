package quota

import (
	"sort"
	"time"
)

// Window is the rule by which a minute is measured.
type Window int

const (
	// SlidingLog counts what arrived in the trailing 60 s: an arrival at t
	// counts before t+60s and no longer at t+60s.
	SlidingLog Window = iota
	// FixedMinute counts per minute of the clock (UTC) and starts from zero
	// at each.
	FixedMinute
	// TokenBucket holds at most one minute's worth, starts full and refills
	// evenly. Limits above 100,000,000 per minute count as unlimited.
	TokenBucket
)

const minute = int64(time.Minute) // nanoseconds

// window measures one limit per minute. Instants are nanoseconds since the
// epoch and never decrease from call to call; limit is at least 1 in wait, and
// negative (unlimited) or more in add. The limit is an argument rather than
// state so that changed limits apply to what has arrived already.
type window interface {
	// wait returns how long until n more fit, zero if they do now. An n above
	// the limit fits when the window is empty.
	wait(now, n, limit int64) time.Duration
	// add counts n more as of now.
	add(now, n, limit int64)
}

func newWindow(w Window) window {
	switch w {
	case FixedMinute:
		return &fixedMinute{}
	case TokenBucket:
		return &tokenBucket{}
	default:
		return &slidingLog{}
	}
}

// oversize remembers the last request larger than the limit, which fills the
// window for amount/limit minutes from its arrival.
type oversize struct {
	at     int64 // its arrival
	amount int64
}

// until returns the end of that time; zero if the request isn't larger than
// the limit (any more).
func (o oversize) until(limit int64) int64 {
	if o.amount <= limit {
		return 0
	}
	return o.at + ceilDiv(minute*o.amount, limit)
}

// arrival is an entry of a sliding log. sum is the running total up to and
// including it, so that any range can be summed, and searched, without a scan.
type arrival struct{ at, sum int64 }

// slidingLog is a queue of the arrivals of the trailing minute.
type slidingLog struct {
	entries []arrival
	head    int   // entries before it have left the window
	left    int64 // running total of what has left
	big     oversize
}

func (l *slidingLog) evict(now int64) {
	for l.head < len(l.entries) && now-l.entries[l.head].at >= minute {
		l.left = l.entries[l.head].sum
		l.head++
	}
	// Moving the rest down only when most of the slice is spent keeps the
	// cost per arrival constant.
	if l.head > 64 && l.head*2 > len(l.entries) {
		n := copy(l.entries, l.entries[l.head:])
		l.entries, l.head = l.entries[:n], 0
	}
}

func (l *slidingLog) total() int64 {
	if len(l.entries) == 0 {
		return l.left
	}
	return l.entries[len(l.entries)-1].sum
}

func (l *slidingLog) wait(now, n, limit int64) time.Duration {
	l.evict(now)
	var until int64
	if excess := l.total() - l.left + min(n, limit) - limit; excess > 0 {
		in := l.entries[l.head:]
		i := sort.Search(len(in), func(i int) bool { return in[i].sum-l.left >= excess })
		until = in[i].at + minute
	}
	return time.Duration(max(0, until-now, l.big.until(limit)-now))
}

func (l *slidingLog) add(now, n, limit int64) {
	l.evict(now)
	l.entries = append(l.entries, arrival{now, l.total() + n})
	if limit > 0 && n > limit {
		l.big = oversize{now, n}
	}
}

// fixedMinute counts within the minutes of the clock.
type fixedMinute struct {
	start int64 // of the minute that used belongs to
	used  int64
	big   oversize
}

func (f *fixedMinute) roll(now int64) {
	if start := now - now%minute; start != f.start {
		f.start, f.used = start, 0
	}
}

func (f *fixedMinute) wait(now, n, limit int64) time.Duration {
	f.roll(now)
	var until int64
	if f.used+min(n, limit) > limit {
		until = f.start + minute
	}
	return time.Duration(max(0, until-now, f.big.until(limit)-now))
}

func (f *fixedMinute) add(now, n, limit int64) {
	f.roll(now)
	f.used += n
	if limit > 0 && n > limit {
		f.big = oversize{now, n}
	}
}

// largestBucket keeps limit*minute well inside an int64.
const largestBucket = 100_000_000

// tokenBucket holds up to one limit and refills by one limit per minute. It
// keeps what is missing from it, in units of 1/minute (a sixty-billionth), so
// that refilling is exact and a changed limit finds what was used.
type tokenBucket struct {
	missing int64
	last    int64 // the instant of missing
}

func (b *tokenBucket) refill(now, limit int64) {
	if elapsed := now - b.last; elapsed >= ceilDiv(b.missing, limit) {
		b.missing = 0
	} else {
		b.missing -= elapsed * limit
	}
	b.last = now
}

func (b *tokenBucket) wait(now, n, limit int64) time.Duration {
	if limit > largestBucket {
		return 0
	}
	b.refill(now, limit)
	if excess := b.missing + min(n, limit)*minute - limit*minute; excess > 0 {
		return time.Duration(ceilDiv(excess, limit))
	}
	return 0
}

func (b *tokenBucket) add(now, n, limit int64) {
	if limit <= 0 || limit > largestBucket {
		b.missing, b.last = 0, now
		return
	}
	b.refill(now, limit)
	b.missing += n * minute // more than limit*minute for an oversize request: a debt
}

// ceilDiv rounds up; b is positive.
func ceilDiv(a, b int64) int64 {
	q := a / b
	if a%b > 0 {
		q++
	}
	return q
}
