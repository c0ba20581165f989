package scheduler_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"fluxgate.dev/fluxgate/internal/race"
	. "fluxgate.dev/fluxgate/scheduler"
	"pgregory.net/rapid"
)

// A world is a few projects with a few models each, the callers that use them
// and the observers that watch over their limits.
type world struct {
	*rapid.T
	rules    *Rules
	now      Instant
	models   []string
	projects []*Project
	watch    map[place]*observer
	inFlight []flight // sent, not settled or cancelled
	lastID   uint64
}

type place struct {
	project int
	model   string
}

type flight struct {
	place
	reserved Reservation
	seen     *seen
	booking  Booking // that it was; zero: none
}

// Where histories begin: on an ordinary day, and shortly before the midnights
// of the days that last 23 and 25 hours.
var begins = []Instant{
	pacific("2026-06-15 12:00:00.123"),
	pacific("2026-06-15 23:59:20.007"),
	pacific("2026-03-08 23:59:30.5"), // the day of 23 h ends
	pacific("2026-03-07 23:59:00"),
	pacific("2026-11-01 23:59:45.999"), // the day of 25 h ends
	pacific("2026-10-31 23:58:50"),
}

func newWorld(t *rapid.T) *world {
	w := &world{T: t, watch: make(map[place]*observer), now: rapid.SampledFrom(begins).Draw(t, "begin")}
	limits := make(map[string]Limits)
	for _, model := range []string{"a-flash", "b-pro"}[:rapid.IntRange(1, 2).Draw(t, "models")] {
		limits[model] = Limits{
			RPM: rapid.SampledFrom([]int64{1, 2, 3, 5, 5, 10, 10, 70, 150, Unlimited}).Draw(t, "rpm"),
			TPM: rapid.SampledFrom([]int64{1000, 100_000, 250_000, 999_983, Unlimited}).Draw(t, "tpm"),
			RPD: rapid.SampledFrom([]int64{3, 10, 50, Unlimited, Unlimited, Unlimited}).Draw(t, "rpd"),
		}
	}
	w.rules = rulesFor(limits)
	w.rules.Skew = rapid.SampledFrom([]time.Duration{0, 500 * ms, 500 * ms, 2 * time.Second}).Draw(t, "skew")
	w.rules.Hold = rapid.SampledFrom([]time.Duration{5 * time.Second, 5 * time.Second, 0, 90 * time.Second}).Draw(t, "hold")
	w.models = w.rules.Policy.Chain(Both)
	w.projects = make([]*Project, rapid.IntRange(1, 2).Draw(t, "projects"))
	for p := range w.projects {
		for _, model := range w.models {
			w.watch[place{p, model}] = &observer{rules: w.rules}
		}
	}
	return w
}

func (w *world) id() uint64 { w.lastID++; return w.lastID }

func (w *world) anyPlace() place {
	return place{
		rapid.IntRange(0, len(w.projects)-1).Draw(w.T, "project"),
		rapid.SampledFrom(w.models).Draw(w.T, "model"),
	}
}

func (w *world) calendar(at place) *Calendar { return w.projects[at.project].Calendar(at.model) }

// decides is the instant at which a change is decided.
func (w *world) decides(p int, now Instant) Instant {
	if w.projects[p] != nil {
		now = max(now, w.projects[p].Latest)
	}
	return now
}

func (w *world) demand() Demand {
	return Demand{
		Tokens:    rapid.SampledFrom([]int64{1, 300, 1000, 2500, 40_000, 100_000, 130_000, 250_000, 600_000, 1_000_000}).Draw(w.T, "tokens"),
		Requests:  rapid.SampledFrom([]int64{0, 0, 0, 0, 1, 3}).Draw(w.T, "requests"),
		Allowance: rapid.SampledFrom([]time.Duration{0, 0, 120 * ms, 1500*ms + 1, 4 * time.Second}).Draw(w.T, "allowance"),
	}
}

// clock is what the clock of some instance says: now, or something else.
func (w *world) clock() Instant {
	switch rapid.IntRange(0, 19).Draw(w.T, "clock") {
	case 0, 1:
		return w.now.Add(-time.Duration(rapid.IntRange(0, 2000).Draw(w.T, "behind")) * ms)
	case 2:
		return w.now.Add(-time.Duration(rapid.IntRange(1, 40).Draw(w.T, "far behind")) * time.Hour)
	}
	return w.now
}

// apply applies a change and checks what it did to the bookings.
func (w *world) apply(p int, now Instant, change Change) Result {
	before := w.projects[p]
	next, result := apply(w.T, w.rules, before, now, change)
	w.projects[p] = next
	switch change.(type) {
	case Settle, Cancel, Release, Extend:
		// A commit whose reply was lost may be made twice.
		again, second := apply(w.T, w.rules, next, now, change)
		if second.Changed || !same(again, next) {
			for i, c := range next.Calendars {
				w.Logf("before %s", show(deepCopy(before).Calendars[i], now))
				w.Logf("once %s", show(c, now))
				w.Logf("twice %s", show(again.Calendars[i], now))
			}
			w.Fatalf("%T had an effect twice", change)
		}
	}
	return result
}

// reserve asks for a slot and has the observer check an admission.
func (w *world) reserve(at place, now Instant, r Reserve) Result {
	now = w.decides(at.project, now)
	limits := w.calendar(at).EffectiveLimits(w.rules, now).Limits
	r.Model, r.ID = at.model, w.id()
	result := w.apply(at.project, now, r)
	switch {
	case result.Verdict == Admitted:
		if result.Start != now || result.Reservation.Start != now {
			w.Fatalf("admitted at %d for %d", now, result.Start)
		}
		// But for the one that puts a learned limit to the test, which is
		// itself within what the policy allows.
		limits = beyond(w.rules, at.model, limits, result.Probe)
		s := w.watch[at].admit(w.T, result.Reservation, r.Demand, limits, probing(w.calendar(at), now), show(w.calendar(at), now))
		w.inFlight = append(w.inFlight, flight{at, result.Reservation, s, result.Booking})
	case result.Start <= now:
		w.Fatalf("told to wait until %d at %d", result.Start, now)
	case result.Start != Never && r.Booking == 0 && (result.Start-now)%1000 != 0:
		w.Fatalf("told to wait %v", result.Start.Sub(now))
	}
	return result
}

func (w *world) advance() {
	switch rapid.IntRange(0, 9).Draw(w.T, "how far") {
	case 0, 1, 2, 3:
		w.now += Instant(rapid.IntRange(0, 1500).Draw(w.T, "ms"))
	case 4, 5, 6:
		w.now += Instant(rapid.IntRange(0, 20_000).Draw(w.T, "ms"))
	case 7:
		w.now += Instant(rapid.IntRange(50_000, 70_000).Draw(w.T, "ms"))
	case 8:
		w.now += Instant(rapid.IntRange(0, 300_000).Draw(w.T, "ms"))
	case 9:
		if rapid.IntRange(0, 4).Draw(w.T, "to midnight") == 0 {
			w.now = max(w.now, DayOf(w.now).End()-Instant(rapid.IntRange(-1000, 3000).Draw(w.T, "ms")))
		}
	}
}

func (w *world) walkIn() {
	w.reserve(w.anyPlace(), w.clock(), Reserve{
		Demand: w.demand(), Hash: rapid.SampledFrom([]uint64{0, 1, 2, 3}).Draw(w.T, "hash"),
		Book: rapid.IntRange(0, 2).Draw(w.T, "book") > 0, Hold: drawHold(w.T),
	})
}

// planned sends a request where the plan says. With nobody else writing the
// plan comes true.
func (w *world) planned() {
	candidates := make([]Candidate, len(w.projects))
	names := []string{"0", "1"}
	for i, p := range w.projects {
		candidates[i] = Candidate{ID: names[i], State: p}
	}
	req := Request{Chain: w.models, Demand: w.demand()}
	if rapid.Bool().Draw(w.T, "computed") {
		req.MaxWait = ptr(time.Duration(rapid.IntRange(0, 30).Draw(w.T, "max wait")) * time.Second)
	}
	now := w.clock()
	offer, cause := Plan(w.rules, now, candidates, req, func(n int) int { return n - 1 })
	if cause != NoCause {
		return
	}
	at := place{slices.Index(names, offer.Project), offer.Model}
	result := w.reserve(at, now, Reserve{Demand: req.Demand, Book: true, Planned: offer.Start})
	if result.Verdict == Replan || result.Start != offer.Start {
		w.Fatalf("planned %+v, got %+v", offer, result)
	}
}

// burst sends many small requests, so that calendars fold.
func (w *world) burst() {
	at := w.anyPlace()
	for range rapid.IntRange(10, 90).Draw(w.T, "burst") {
		w.reserve(at, w.now, Reserve{Demand: Demand{Tokens: 7}})
		w.now += 11
	}
}

// queue has a few callers ask for bookings in one calendar.
func (w *world) queue() {
	at, d := w.anyPlace(), w.demand()
	for range rapid.IntRange(1, 12).Draw(w.T, "queue") {
		w.reserve(at, w.now, Reserve{Demand: d, Book: true})
		w.now += 101
	}
}

// comeBack has the holder of a booking return: early, in time or too late.
func (w *world) comeBack() {
	at := w.anyPlace()
	bookings := w.calendar(at).Bookings
	if len(bookings) == 0 {
		return
	}
	b := rapid.SampledFrom(bookings).Draw(w.T, "booking")
	if rapid.IntRange(0, 3).Draw(w.T, "next") > 0 {
		b = slices.MinFunc(bookings, func(a, b Booking) int { return int(a.Start - b.Start) })
	}
	if rapid.IntRange(0, 3).Draw(w.T, "on time") > 0 {
		w.now = max(w.now, b.Start.Add(time.Duration(rapid.IntRange(-1, 20).Draw(w.T, "tenths"))*100*ms))
	}
	now := w.decides(at.project, w.clock())
	l := w.calendar(at).EffectiveLimits(w.rules, now).Limits
	folds := l.RPM == Unlimited || l.RPM > MaxExact // then ends may be taken as rounded
	room := fits(w.rules, w.calendar(at), now, now, b.Demand, b.Rank)
	claim := Reserve{Demand: b.Demand, Booking: b.ID, Hash: b.Hash}
	came := now
	if rapid.IntRange(0, 2).Draw(w.T, "slow") == 0 {
		// Its change has waited, for a pace or after a lost race.
		came = now.Add(-time.Duration(rapid.IntRange(1, 120).Draw(w.T, "tenths that it took")) * 100 * ms)
		claim.Came = came
	}
	result := w.reserve(at, now, claim)
	switch until := heldUntil(w.rules, b); {
	case came > until || now > until.Add(MaxCommit) || result.Verdict == Replan:
	case result.Booking.ID != b.ID:
		w.Fatalf("the holder of %+v got %+v", b, result)
	case now < b.Start && result.Start != b.Start:
		w.Fatalf("early for %d, told %d", b.Start, result.Start)
	case now >= b.Start && (result.Verdict == Admitted) != room && !(folds && room):
		w.Fatalf("there is room: %v, but the holder of %+v got %+v at %d", room, b, result, now)
	}
}

// settle tells what became of a request: it weighed less, more or much more,
// and arrived somewhere within its bounds.
func (w *world) settle() {
	if len(w.inFlight) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.inFlight)-1).Draw(w.T, "flight")
	f := w.inFlight[i]
	s := Settle{Model: f.model, ID: f.reserved.ID, Reserved: f.reserved, Tokens: -1}
	if rapid.Bool().Draw(w.T, "counted") {
		s.Tokens = f.reserved.Tokens * int64(rapid.IntRange(0, 60).Draw(w.T, "tenths")) / 10
	}
	now := w.clock()
	if rapid.Bool().Draw(w.T, "timed") {
		s.SentAt = f.reserved.Start + Instant(rapid.Int64Range(0, f.seen.allowance.Milliseconds()).Draw(w.T, "sent"))
		w.now = max(w.now, s.SentAt) // nobody settles before it has sent
		now = max(now, s.SentAt)
		f.seen.latest = min(f.seen.latest, s.SentAt.Add(w.rules.Skew))
	}
	if s.Tokens >= 0 && w.decides(f.project, now) < f.seen.latest.Add(Window) {
		f.seen.tokens = s.Tokens // later, by the clock that decides, it is over
	}
	w.moves(f.place, now, s)
	w.inFlight = slices.Delete(w.inFlight, i, i+1)
}

// extend has a request last longer, whose commit took long or whose answer goes on.
func (w *world) extend() {
	if len(w.inFlight) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.inFlight)-1).Draw(w.T, "flight")
	f := &w.inFlight[i]
	now := w.clock()
	until := w.decides(f.project, now) + Instant(rapid.IntRange(0, 4000).Draw(w.T, "until"))
	x := Extend{
		Model: f.model, ID: f.reserved.ID, Reserved: f.reserved, Until: until,
		Yield: rapid.Bool().Draw(w.T, "yield"), Answered: rapid.Bool().Draw(w.T, "answered"),
	}
	result := w.apply(f.project, now, x)
	switch {
	case result.Verdict == Admitted:
		if f.reserved = result.Reservation; !x.Answered { // then it has arrived
			f.seen.latest = max(f.seen.latest, until.Add(w.rules.Skew))
		}
	case result.Changed:
		w.watch[f.place].forget(f.seen)
		fallthrough
	default:
		w.inFlight = slices.Delete(w.inFlight, i, i+1)
	}
}

func (w *world) cancel() {
	if len(w.inFlight) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.inFlight)-1).Draw(w.T, "flight")
	f := w.inFlight[i]
	cancel := Cancel{Model: f.model, ID: f.reserved.ID, Reserved: f.reserved, Unknown: rapid.Bool().Draw(w.T, "unknown")}
	if f.booking.ID != 0 && rapid.Bool().Draw(w.T, "booked again") {
		cancel.Booking = f.booking
	}
	if w.apply(f.project, w.clock(), cancel).Changed {
		w.watch[f.place].forget(f.seen)
	}
	w.inFlight = slices.Delete(w.inFlight, i, i+1)
}

func (w *world) release() {
	at := w.anyPlace()
	if bookings := w.calendar(at).Bookings; len(bookings) > 0 {
		w.apply(at.project, w.clock(), Release{rapid.SampledFrom(bookings).Draw(w.T, "booking").ID})
	}
}

// refuse has upstream refuse something.
func (w *world) refuse() {
	at, now := w.anyPlace(), w.clock()
	h := RecordRefusal{Model: at.model}
	switch rapid.IntRange(0, 11).Draw(w.T, "refusal") {
	case 0, 1:
		h.Limits.RPM = rapid.Int64Range(1, 80).Draw(w.T, "rpm")
	case 2, 3:
		h.Limits.TPM = rapid.SampledFrom([]int64{500, 2000, 90_000, 250_000, 1_000_000}).Draw(w.T, "tpm")
	case 4:
		h.Limits.RPD = rapid.Int64Range(1, 60).Draw(w.T, "rpd")
	case 5, 6, 7:
		h.Block = Block{Cause: ByMinute, Until: now + Instant(rapid.IntRange(-1000, 60_000).Draw(w.T, "until"))}
	case 8, 9:
		h.Block.Cause = ByBare
	case 10:
		h.Block.Cause = ByDay
	case 11:
		h.Block = Block{Cause: Unavailable, Until: rapid.SampledFrom([]Instant{now + 3000, Never}).Draw(w.T, "until")}
	}
	w.moves(at, now, h)
}

// moves applies a change after which bookings may have to move and checks that
// they did: in order of rank, each to the first whole second that fits.
func (w *world) moves(at place, now Instant, change Change) {
	before := w.calendar(at).Bookings
	now = w.decides(at.project, now)
	result := w.apply(at.project, now, change)
	if _, ok := change.(RecordRefusal); !ok && result.Moved == 0 {
		return
	}
	after := *w.calendar(at)
	all, moved := after.Bookings, 0
	for i, b := range all {
		j := slices.IndexFunc(before, func(o Booking) bool { return o.ID == b.ID })
		from := max(before[j].Start, now)
		after.Bookings = all[:i]
		if b.Start != before[j].Start {
			moved++
			if (b.Start-from)%1000 != 0 || !fits(w.rules, &after, now, b.Start, b.Demand, b.Rank) {
				w.Fatalf("%T moved %+v to %d\n%s", change, before[j], b.Start, show(&after, now))
			}
		}
		if l := after.EffectiveLimits(w.rules, now); l.RPM == Unlimited || l.RPM > MaxExact {
			continue // promised with room for rounding: a second later than need be
		}
		for s := from; s < b.Start && s < from+100_000; s += 1000 {
			if fits(w.rules, &after, now, s, b.Demand, b.Rank) {
				w.Fatalf("%T moved %+v to %d, %d would do\n%s", change, before[j], b.Start, s, show(&after, now))
			}
		}
	}
	if moved != result.Moved {
		w.Fatalf("%d bookings moved, %d counted", moved, result.Moved)
	}
}

// others are changes that have nothing to do with time.
func (w *world) others() {
	p := rapid.IntRange(0, len(w.projects)-1).Draw(w.T, "project")
	key := rapid.StringMatching("k[0-9]{1,2}").Draw(w.T, "key")
	switch rapid.IntRange(0, 4).Draw(w.T, "other") {
	case 0:
		w.apply(p, w.clock(), SetMark{Key: key, Disabled: ptr(rapid.Bool().Draw(w.T, "disabled"))})
	case 1:
		w.apply(p, w.clock(), SetMark{Key: key, Invalid: ptr(rapid.SampledFrom([]string{"", "leaked"}).Draw(w.T, "invalid"))})
	case 2:
		told := make([]Waitlisted, rapid.IntRange(0, 70).Draw(w.T, "told"))
		for i := range told {
			told[i] = Waitlisted{Hash: uint32(w.id()), Start: w.now}
		}
		w.apply(p, w.clock(), ShareWaitlist{Entries: told})
	case 3:
		if w.projects[p] != nil {
			w.projects[p] = w.projects[p].Wrote(uint32(rapid.IntRange(1, 12).Draw(w.T, "instance")), w.id())
			bounded(w.T, w.projects[p])
		}
	case 4:
		if w.projects[p] != nil {
			grain := rapid.SampledFrom([]time.Duration{time.Second, 4 * time.Second}).Draw(w.T, "grain")
			w.projects[p] = w.projects[p].Compact(w.rules, w.clock(), rapid.IntRange(0, 10).Draw(w.T, "exact"), grain)
		}
	}
}

// earliest checks Earliest on some calendar against brute force.
func (w *world) earliest() {
	at, d := w.anyPlace(), w.demand()
	c, now := w.calendar(at), w.decides(at.project, w.now)
	s, cause := c.Earliest(w.rules, now, d)
	l := c.EffectiveLimits(w.rules, now).Limits
	switch {
	case s == Never && (cause == Unavailable || cause == TooLarge):
		return
	case s == Never:
		w.Fatalf("never, by %s", cause)
	case (s > now) != (cause != NoCause):
		w.Fatalf("cause %q for a wait of %v", cause, s.Sub(now))
	case !fits(w.rules, c, now, s, d, everyone):
		w.Fatalf("%+v doesn't fit at its earliest %+d under %+v\n%s", d, s-now, l, show(c, now))
	case s > now && fits(w.rules, c, now, s-1, d, everyone):
		w.Fatalf("%+v fits a millisecond before its earliest %+d under %+v\n%s", d, s-now, l, show(c, now))
	}
	for _, turn := range turns(w.rules, c, now, d) {
		if turn < s && fits(w.rules, c, now, turn, d, everyone) {
			w.Fatalf("%+v fits at %+d, its earliest is %+d under %+v\n%s", d, turn-now, s-now, l, show(c, now))
		}
	}
}

const everyone = ^uint64(0)

// TestHistories lets all of it happen in any order and checks, at every step,
// that no limit can have been broken at upstream, that no booking is lost, that
// bookings move in rank order, that the bounds are kept and that no change
// touches the project it was made from.
func TestHistories(t *testing.T) {
	race.Skip(t)
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		steps := []func(){ // rapid draws the first more often
			w.comeBack, w.queue, w.walkIn, w.earliest, w.planned, w.comeBack, w.walkIn, w.settle, w.comeBack,
			w.refuse, w.burst, w.comeBack, w.others, w.cancel, w.release, w.settle, w.extend, w.queue, w.earliest, w.comeBack,
		}
		for range rapid.IntRange(30, 150).Draw(t, "steps") {
			w.advance()
			rapid.SampledFrom(steps).Draw(t, "step")()
		}
	})
}

// show prints a calendar relative to an instant, for failures.
func show(c *Calendar, now Instant) string {
	text := fmt.Sprintf("%s block=%+d/%s learned=%+v\n", c.Model, c.Block.Until-now, c.Block.Cause, c.Learned)
	for _, r := range c.Sent {
		text += fmt.Sprintf("  sent %d [%+d, %+d) %d tokens\n", r.ID, r.Start-now, r.End-now, r.Tokens)
	}
	for _, x := range c.Folded {
		text += fmt.Sprintf("  folded until %+d: %d requests, %d tokens\n", x.End-now, x.Requests, x.Tokens)
	}
	for _, b := range c.Bookings {
		text += fmt.Sprintf("  booking %d rank %d from %+d: %+v\n", b.ID, b.Rank, b.Start-now, b.Demand)
	}
	return text
}
