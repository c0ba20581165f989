package scheduler_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
)

// What the property tests judge by is written here a second time, from the
// rules in the package comment and by brute force. It shares no code with the
// package but its types.

// failer is what *rapid.T, *testing.T and *testing.B have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

const ms = time.Millisecond

func ptr[T any](v T) *T { return &v }

var losAngeles = func() *time.Location {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic(err)
	}
	return zone
}()

// pacific returns the instant of a Pacific wall clock time.
func pacific(text string) Instant {
	t, err := time.ParseInLocation("2006-01-02 15:04:05.999", text, losAngeles)
	if err != nil {
		panic(err)
	}
	return At(t)
}

// date returns the Pacific date of an instant as text.
func date(i Instant) string { return i.Time().In(losAngeles).Format(time.DateOnly) }

// rulesFor returns rules in which every model named has those limits.
func rulesFor(limits map[string]Limits) *Rules {
	overrides := make(map[string]Override)
	for model, l := range limits {
		overrides[model] = Override{RPM: &l.RPM, TPM: &l.TPM, RPD: &l.RPD}
	}
	rules := defaultRules()
	rules.Policy = NewPolicy(slices.Sorted(keys(limits)), overrides)
	return rules
}

func keys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// dateOn returns the date of an instant for a calendar, which may have a midnight of its own.
func dateOn(rules *Rules, name string, i Instant) string {
	if zone := rules.Specs[name].Zone; zone != nil {
		return i.Time().In(zone).Format(time.DateOnly)
	}
	return date(i)
}

func requests(d Demand) int64 { return max(d.Requests, 1) }

// weigh is what tokens count against TPM: a request above it counts as it, for
// upstream takes it when it is alone in its window.
func weigh(tokens int64, l Limits) int64 {
	if l.TPM == Unlimited {
		return 0
	}
	return min(tokens, l.TPM)
}

// spanOn is how long a demand counts from its start on a calendar of that name, which
// may have a window of its own.
func spanOn(rules *Rules, name string, l Limits, d Demand) Instant {
	window := Window
	if s, ok := rules.Specs[name]; ok && s.Window > 0 {
		window = s.Window
	}
	w := float64((window + rules.Late(name)).Milliseconds())
	if l.TPM != Unlimited && d.Tokens > l.TPM {
		w = math.Ceil(w * float64(d.Tokens) / float64(l.TPM))
	}
	return Instant(w) + Instant(math.Ceil(float64(d.Allowance)/1e6))
}

// An observer stands where upstream stands. All it knows of a request is
// between which instants it may have arrived and what it weighs.
type observer struct {
	rules *Rules
	seen  []*seen
}

type seen struct {
	id               uint64
	earliest, latest Instant // of the arrival
	tokens, requests int64
	allowance        time.Duration
}

// admit checks that a request which has just been admitted breaks no limit,
// whenever it and all those before it arrive within their bounds. The probe of a
// learned limit, if one is under way, is beside it: 0 for none.
func (o *observer) admit(t failer, r Reservation, d Demand, l Limits, probe uint64, state string) *seen {
	t.Helper()
	n := &seen{
		id: r.ID, earliest: r.Start, latest: r.Start.Add(o.rules.Skew + d.Allowance),
		tokens: d.Tokens, requests: requests(d), allowance: d.Allowance,
	}
	o.seen = append(o.seen, n)
	// Starts never decrease, so of all the trailing windows with the new
	// request in it the one that ends at its start can hold the most.
	var tokens, count int64
	perDay := map[string]int64{date(n.earliest): 0, date(n.latest): 0}
	for _, s := range o.seen {
		if s.earliest > n.earliest {
			t.Fatalf("request %d starts at %d, after request %d at %d", s.id, s.earliest, n.id, n.earliest)
		}
		if s.id == probe && s != n {
			continue
		}
		if s.latest > n.earliest.Add(-Window) {
			tokens += weigh(s.tokens, l)
			count += s.requests
		}
		for _, day := range slices.Compact([]string{date(s.earliest), date(s.latest)}) {
			if _, ok := perDay[day]; ok {
				perDay[day] += s.requests
			}
		}
	}
	if l.TPM != Unlimited && tokens > l.TPM {
		t.Fatalf("%d tokens may arrive within a minute, TPM is %d\n%s%s", tokens, l.TPM, state, o)
	}
	if l.RPM != Unlimited && count > l.RPM {
		t.Fatalf("%d requests may arrive within a minute, RPM is %d\n%s%s", count, l.RPM, state, o)
	}
	for day, n := range perDay {
		if l.RPD != Unlimited && n > l.RPD {
			t.Fatalf("%d requests may arrive on %s, RPD is %d", n, day, l.RPD)
		}
	}
	return n
}

// String prints what was seen relative to the last of it, for failures.
func (o *observer) String() string {
	text := ""
	for _, s := range o.seen {
		now := o.seen[len(o.seen)-1].earliest
		text += fmt.Sprintf("  seen %d [%+d, %+d]: %d requests, %d tokens\n", s.id, s.earliest-now, s.latest-now, s.requests, s.tokens)
	}
	return text
}

// probing returns the reservation of the probe that is under way on a calendar, 0
// for none. It weighs on nobody.
func probing(c *Calendar, now Instant) uint64 {
	if p := c.Learned.Probe; p.Cause != NoCause && now < p.Until {
		return p.ID
	}
	return 0
}

// beyond returns the limits without the one that a probe tests.
func beyond(rules *Rules, model string, l Limits, probe Cause) Limits {
	switch policy := rules.Policy.Limits(model); probe {
	case ByRPM:
		l.RPM = policy.RPM
	case ByTPM:
		l.TPM = policy.TPM
	case ByRPD:
		l.RPD = policy.RPD
	}
	return l
}

// forget removes a request that was never sent.
func (o *observer) forget(n *seen) {
	o.seen = slices.DeleteFunc(o.seen, func(s *seen) bool { return s == n })
}

// fits reports whether a demand may start at s on a calendar that is looked at
// at now, beside what was sent and the bookings with a rank below the given one.
func fits(rules *Rules, c *Calendar, now, s Instant, d Demand, below uint64) bool {
	l := c.EffectiveLimits(rules, now).Limits
	switch {
	case l.None(), c.Block.Until > s, l.RPD != Unlimited && requests(d) > l.RPD:
		return false
	}
	return fitsMinute(rules, c, l, now, s, d, below) && fitsDay(rules, c, l, now, s, d, below)
}

func fitsMinute(rules *Rules, c *Calendar, l Limits, now, s Instant, d Demand, below uint64) bool {
	if rules.Specs[c.Model].Refill {
		return fitsBucket(rules, c, now, s, d, below)
	}
	end := s + spanOn(rules, c.Model, l, d)
	at := []Instant{s} // where the load may have grown
	for _, b := range c.Bookings {
		if b.Start > s && b.Start < end {
			at = append(at, b.Start)
		}
	}
	for _, x := range at {
		tokens, count := weigh(d.Tokens, l), requests(d)
		for _, r := range c.Sent {
			if r.ID == probing(c, now) {
				continue
			}
			if x < r.End {
				tokens += weigh(r.Tokens, l)
				count += r.Requests
			}
		}
		for _, r := range c.Folded {
			if x < r.End {
				tokens += weigh(r.Tokens, l)
				count += r.Requests
			}
		}
		for _, b := range c.Bookings {
			hold := heldUntil(rules, b)
			if b.Rank >= below || hold < now || b.Start > x {
				continue
			}
			// Whoever starts while the hold runs can't know when it ends.
			if x < b.Start+spanOn(rules, c.Model, l, b.Demand) || s <= hold {
				tokens += weigh(b.Demand.Tokens, l)
				count += requests(b.Demand)
			}
		}
		if l.TPM != Unlimited && tokens > l.TPM || l.RPM != Unlimited && count > l.RPM {
			return false
		}
	}
	return true
}

func fitsDay(rules *Rules, c *Calendar, l Limits, now, s Instant, d Demand, below uint64) bool {
	if l.RPD == Unlimited {
		return true
	}
	touched := func(from, to Instant) []string {
		return slices.Compact([]string{dateOn(rules, c.Model, from), dateOn(rules, c.Model, to)})
	}
	for _, day := range touched(s.Add(-rules.Late(c.Model)), s.Add(rules.Late(c.Model)+d.Allowance)) {
		n := requests(d)
		for _, x := range c.Days {
			if x.Day.String() == day {
				n += x.Requests
			}
		}
		for _, b := range c.Bookings {
			first, last := b.Start.Add(-rules.Late(c.Model)), heldUntil(rules, b).Add(rules.Late(c.Model)+b.Demand.Allowance)
			if b.Rank < below && heldUntil(rules, b) >= now && slices.Contains(touched(first, last), day) {
				n += requests(b.Demand)
			}
		}
		if n > l.RPD {
			return false
		}
	}
	return true
}

// turns returns every instant from now on at which a demand that didn't fit may
// begin to fit: where something ends, a hold is over or a day begins.
func turns(rules *Rules, c *Calendar, now Instant, d Demand) []Instant {
	l := c.EffectiveLimits(rules, now).Limits
	at := []Instant{now, c.Block.Until}
	for _, r := range c.Sent {
		at = append(at, r.End)
	}
	for _, r := range c.Folded {
		at = append(at, r.End)
	}
	for _, b := range c.Bookings {
		at = append(at, b.Start+spanOn(rules, c.Model, l, b.Demand), heldUntil(rules, b)+1)
	}
	for day := range Day(4) {
		zone := rules.Specs[c.Model].Zone
		if zone == nil {
			zone = losAngeles
		}
		y, m, today := now.Time().In(zone).Date()
		at = append(at, At(time.Date(y, m, today+int(day), 0, 0, 0, 0, zone)).Add(rules.Late(c.Model)))
	}
	at = slices.DeleteFunc(at, func(i Instant) bool { return i < now })
	slices.Sort(at)
	return slices.Compact(at)
}

// deepCopy returns a project that shares nothing with p.
func deepCopy(p *Project) *Project {
	if p == nil {
		return nil
	}
	next := *p
	next.Calendars = slices.Clone(p.Calendars)
	for i, c := range next.Calendars {
		d := *c
		d.Sent, d.Folded, d.Open = slices.Clone(c.Sent), slices.Clone(c.Folded), slices.Clone(c.Open)
		for i, r := range d.Sent {
			own := *r
			d.Sent[i] = &own
		}
		d.Bookings, d.Days = slices.Clone(c.Bookings), slices.Clone(c.Days)
		next.Calendars[i] = &d
	}
	next.Idle = slices.Clone(p.Idle)
	next.Marks, next.Waitlist, next.Writers = slices.Clone(p.Marks), slices.Clone(p.Waitlist), slices.Clone(p.Writers)
	return &next
}

// same reports whether two projects are equal to the last field. The long lists are compared
// directly, for reflection takes most of a test's time on them.
func same(a, b *Project) bool {
	if a == nil || b == nil {
		return a == b
	}
	if len(a.Calendars) != len(b.Calendars) {
		return false
	}
	x, y := *a, *b
	x.Calendars, y.Calendars = slices.Clone(a.Calendars), slices.Clone(b.Calendars)
	for i := range x.Calendars {
		c, d := *x.Calendars[i], *y.Calendars[i]
		if !slices.EqualFunc(c.Sent, d.Sent, func(r, s *Reservation) bool { return *r == *s }) ||
			!slices.Equal(c.Folded, d.Folded) || !slices.Equal(c.Open, d.Open) {
			return false
		}
		c.Sent, c.Folded, c.Open, d.Sent, d.Folded, d.Open = nil, nil, nil, nil, nil, nil
		x.Calendars[i], y.Calendars[i] = &c, &d
	}
	return reflect.DeepEqual(x, y)
}

// apply applies a change and checks what holds for every change: the receiver
// stays as it was, no booking is lost, and the bounds are kept.
func apply(t failer, rules *Rules, p *Project, now Instant, change Change) (*Project, Result) {
	t.Helper()
	was := deepCopy(p)
	next, result := p.Apply(rules, now, change)
	if !same(was, p) {
		t.Fatalf("%T changed its receiver", change)
	}
	if !result.Changed && next != p {
		t.Fatalf("%T returned another project without a change", change)
	}
	keeps(t, rules, p, next, now, change, result)
	bounded(t, next)
	apart(t, rules, p, next, now)
	return next, result
}

// apart checks that another change of the same project leaves what came of the first as it is: two that
// lost a race to each other share no room to grow in.
func apart(t failer, rules *Rules, p, next *Project, now Instant) {
	t.Helper()
	was := deepCopy(next)
	other := Reserve{Model: "other", ID: 1 << 62, Demand: Demand{Tokens: 77, Requests: 7}, Over: true}
	if p != nil && len(p.Calendars) > 0 {
		other.Model = p.Calendars[0].Model
		for _, c := range p.Calendars[1:] {
			other.Also = append(other.Also, Weight{On: c.Model, Demand: other.Demand})
		}
	}
	p.Apply(rules, now, other)
	if !same(was, next) {
		t.Fatalf("changed by another change of the project that it came of")
	}
}

// keeps checks that only its holder, its hold and a release end a booking, and
// that none gets an earlier start.
func keeps(t failer, rules *Rules, p, next *Project, now Instant, change Change, result Result) {
	t.Helper()
	if p == nil {
		return
	}
	now = max(now, p.Latest)
	for _, c := range p.Calendars {
		for _, b := range c.Bookings {
			if b.ID >= 1<<63 {
				continue // on a second model, under an ID that nobody has; see bounded
			}
			_, after, ok := next.Booking(b.ID)
			switch release, isRelease := change.(Release); {
			case ok && (after.Start < b.Start || after.Rank != b.Rank || after.Since != b.Since):
				t.Fatalf("%T made %+v of %+v", change, after, b)
			case ok, now > heldUntil(rules, b).Add(MaxCommit), isRelease && release.Booking == b.ID:
			case now > heldUntil(rules, b) && kept(p) >= MaxBookings: // it has made room
			case result.Verdict == Admitted && result.Booking.ID == b.ID:
			default:
				t.Fatalf("%T lost %+v at %d", change, b, now)
			}
		}
	}
}

// heldUntil returns until when a booking is kept for its holder.
func heldUntil(rules *Rules, b Booking) Instant {
	if b.Hold > rules.Hold {
		return b.Start.Add(b.Hold)
	}
	return b.Start.Add(rules.Hold)
}

// kept counts the bookings of a project, those whose hold is over included.
func kept(p *Project) (n int) {
	for _, c := range p.Calendars {
		n += len(c.Bookings)
	}
	return n
}

func bounded(t failer, p *Project) {
	t.Helper()
	if p == nil {
		return
	}
	bookings, perHash := 0, map[uint64]int{}
	for _, c := range p.Calendars {
		if len(c.Open) > MaxOpen {
			t.Fatalf("%d requests are known to be on their way", len(c.Open))
		}
		notes := 0
		for _, r := range c.Sent {
			if r.Note() {
				notes++
			}
		}
		if n := len(c.Sent) - notes; n > MaxExact || notes > 2 {
			t.Fatalf("%d requests are kept exactly, and %d notes", n, notes)
		}
		if !slices.IsSortedFunc(c.Folded, func(a, b Folded) int { return int(a.End - b.End) }) {
			t.Fatalf("folded ends out of order: %+v", c.Folded)
		}
		if !slices.IsSortedFunc(c.Bookings, func(a, b Booking) int { return int(a.Rank) - int(b.Rank) }) {
			t.Fatalf("bookings out of rank: %+v", c.Bookings)
		}
		for _, b := range c.Bookings {
			bookings++
			if b.Hash != 0 {
				perHash[b.Hash]++
			}
		}
	}
	starts := map[uint64]Instant{}
	for _, c := range p.Calendars {
		for _, b := range c.Bookings {
			if was, ok := starts[b.Rank]; ok && was != b.Start {
				t.Fatalf("rank %d is booked at %d and at %d", b.Rank, was, b.Start)
			}
			starts[b.Rank] = b.Start
		}
	}
	for hash, n := range perHash {
		if n > MaxBookingsPerHash {
			t.Fatalf("%d bookings of hash %d", n, hash)
		}
	}
	models := 0
	for _, c := range p.Calendars {
		if IsModel(c.Model) {
			models++
		}
	}
	for what, n := range map[string][2]int{
		"others":   {len(p.Calendars) - models, MaxOthers},
		"bookings": {bookings, MaxBookings}, "models": {models, MaxModels},
		"idle": {len(p.Idle), MaxIdle}, "marks": {len(p.Marks), MaxMarks}, "waitlist": {len(p.Waitlist), MaxWaitlist}, "writers": {len(p.Writers), MaxWriters},
	} {
		if n[0] > n[1] {
			t.Fatalf("%d %s, the bound is %d", n[0], what, n[1])
		}
	}
}
