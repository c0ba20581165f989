package scheduler_test

import (
	"slices"
	"testing"
	"time"

	"fluxgate.dev/fluxgate/internal/race"
	. "fluxgate.dev/fluxgate/scheduler"
	"pgregory.net/rapid"
)

// TestSeveralHistories has requests weigh on calendars of every kind at once: two models,
// a feature, the outputs, which are known only afterwards, sessions at a time, and the
// project; with windows from a second to a day, in which what is sent arrives soon or late, buckets, and days that begin at midnight
// somewhere. In random histories some are settled, up or down and late, some are cancelled
// or extended, and of some nothing is heard again; clocks are behind, by up to hours. What arrives is
// judged per calendar by an observer that knows nothing of the others: no limit is broken,
// whoever waits could not have gone a millisecond earlier, and holders that come in time are
// admitted.
func TestSeveralHistories(t *testing.T) {
	race.Skip(t)
	rapid.Check(t, func(t *rapid.T) {
		w := newKinds(t)
		for range rapid.IntRange(20, 120).Draw(t, "steps") {
			w.now += Instant(rapid.SampledFrom([]int64{1, 137, 999, 5000, 20_000, 61_000, 4_000_000}).Draw(t, "pause"))
			switch step := rapid.IntRange(0, 11).Draw(t, "step"); {
			case step < 5:
				w.ask()
			case step < 7 && len(w.underway) > 0:
				w.land()
			case step < 9 && len(w.held) > 0:
				w.claim()
			case w.p != nil && step == 9:
				exact(t, w.rules, w.p, w.now, Demand{Tokens: rapid.Int64Range(1, 900).Draw(t, "tokens")}, w.weights())
			case step == 10 && len(w.underway) > 0:
				w.extend()
			case w.p != nil && rapid.IntRange(0, 9).Draw(t, "compact") == 0:
				w.disturbed = true
				w.p = w.p.Compact(w.rules, w.now, rapid.IntRange(0, 64).Draw(t, "exact"), time.Second)
			}
		}
	})
}

var live = OfFeature("m", "live")

// kinds is a project and what an observer saw arrive on each of its calendars.
type kinds struct {
	t         *rapid.T
	names     []string // the model first
	limits    map[string]Limits
	rules     *Rules
	p         *Project
	now       Instant
	id        uint64
	arrived   map[string][]*arrival
	underway  []journey
	held      []heldSlot
	disturbed bool // somebody came late, or ends were rounded that nobody reckoned with
}

// An arrival is what upstream may have seen on one calendar.
type arrival struct {
	earliest, latest Instant
	tokens, requests int64
	over             Instant // settled; 0: not yet
}

type journey struct {
	result Result
	seen   []*arrival
}

type heldSlot struct {
	b    Booking
	also []Weight
}

func newKinds(t *rapid.T) *kinds {
	w := &kinds{
		t: t, names: []string{"m", search, OfOutputs("m"), OfProject, live, "n"}, now: noon,
		limits: map[string]Limits{}, arrived: map[string][]*arrival{}, rules: defaultRules(),
	}
	w.rules.Specs = map[string]Spec{}
	overrides := map[string]Override{}
	for _, name := range w.names {
		l := Limits{
			RPM: rapid.SampledFrom([]int64{2, 5, 10, 70, Unlimited}).Draw(t, "rpm"),
			TPM: rapid.SampledFrom([]int64{1000, 5000, Unlimited}).Draw(t, "tpm"),
			RPD: rapid.SampledFrom([]int64{20, Unlimited, Unlimited}).Draw(t, "rpd"),
		}
		w.limits[name] = l
		if IsModel(name) {
			overrides[name] = Override{RPM: &l.RPM, TPM: &l.TPM, RPD: &l.RPD}
			continue
		}
		s := Spec{
			EffectiveLimits: EffectiveLimits{Limits: l},
			Window:          rapid.SampledFrom([]time.Duration{0, sec, 10 * sec, 10 * time.Minute, time.Hour, 24 * time.Hour}).Draw(t, "window"),
			Zone:            rapid.SampledFrom([]*time.Location{nil, time.UTC}).Draw(t, "zone"),
			AtATime:         name == live,
			Late:            rapid.SampledFrom([]time.Duration{0, 0, 50 * ms, 2 * sec}).Draw(t, "late"),
		}
		if s.Refill = name != live && rapid.Bool().Draw(t, "refill"); s.Refill {
			s.Burst.Requests = rapid.SampledFrom([]int64{0, 1, 3, 100}).Draw(t, "burst")
			s.Burst.Tokens = rapid.SampledFrom([]int64{0, 900, 20_000}).Draw(t, "burst")
		}
		w.rules.Specs[name] = s
	}
	w.rules.Policy = NewPolicy([]string{"m", "n"}, overrides)
	return w
}

// weights draws what a request weighs beside its model.
func (w *kinds) weights() (also []Weight) {
	for _, name := range w.names[1:] {
		if rapid.IntRange(0, 2).Draw(w.t, name) == 0 {
			also = append(also, Weight{On: name, Demand: Demand{Tokens: rapid.Int64Range(0, 900).Draw(w.t, "weight")}})
		}
	}
	return also
}

// ask has somebody ask for a slot. Now and then it is nobody's request, of one calendar.
func (w *kinds) ask() {
	r := Reserve{
		Model:  "m",
		Demand: Demand{Tokens: rapid.Int64Range(1, 900).Draw(w.t, "tokens"), Allowance: time.Duration(rapid.IntRange(0, 900).Draw(w.t, "allowance")) * ms},
		Hash:   w.id%5 + 1, Book: rapid.Bool().Draw(w.t, "book"), Hold: drawHold(w.t),
	}
	if rapid.IntRange(0, 9).Draw(w.t, "nobody") == 0 {
		r.Model, r.Book = rapid.SampledFrom(w.names).Draw(w.t, "name"), false
	} else {
		r.Also = w.weights()
	}
	at := w.clock()
	before := w.p
	switch result := w.reserve(at, r); {
	case result.Verdict == Booked:
		w.held = append(w.held, heldSlot{result.Booking, r.Also})
	case result.Verdict == Refused && result.Start != Never:
		at := max(at, before.Latest)
		step := Instant(1000) // in whole seconds
		for _, x := range r.Also {
			if s, ok := w.rules.Specs[x.On]; ok && s.Window > 0 && s.Window < 20*sec {
				step = 1
			}
		}
		earlier := max(result.Start-step, at)
		fitting := true
		for _, x := range append([]Weight{{On: r.Model, Demand: r.Demand}}, r.Also...) {
			x.Demand.Allowance = r.Demand.Allowance
			fitting = fitting && !w.folds(x.On) && fits(w.rules, before.Calendar(x.On), at, earlier, x.Demand, everyone)
		}
		if fitting {
			w.t.Fatalf("%+v fits at %+d, told %+d", r, earlier-at, result.Start-at)
		}
	}
}

// clock is what the clock of some instance says: now, or less.
func (w *kinds) clock() Instant {
	return w.now - Instant(rapid.SampledFrom([]int64{0, 0, 0, 40, 300, 9000, 5_000_000}).Draw(w.t, "behind"))
}

// folds reports whether waits may be told with rounded ends.
func (w *kinds) folds(name string) bool {
	l, s := w.limits[name], w.rules.Specs[name]
	return l.RPM == Unlimited || l.RPM > MaxExact || s.Refill && max(s.Burst.Requests, l.RPM)+l.RPM > MaxExact
}

func (w *kinds) reserve(at Instant, r Reserve) Result {
	w.id++
	r.ID = w.id
	next, result := apply(w.t, w.rules, w.p, at, r)
	w.p = next
	if result.Verdict != Admitted {
		return result
	}
	f := journey{result: result}
	add := func(name string, reserved Reservation) {
		a := &arrival{earliest: result.Start, latest: result.Start.Add(w.rules.Late(name) + result.Allowance), tokens: reserved.Tokens, requests: reserved.Requests}
		w.arrived[name] = append(w.arrived[name], a)
		f.seen = append(f.seen, a)
	}
	add(r.Model, result.Reservation)
	if len(result.Also) != len(r.Also) {
		w.t.Fatalf("%d calendars of %d", len(result.Also), len(r.Also))
	}
	for i, x := range result.Also {
		if x.On != r.Also[i].On {
			w.t.Fatalf("%+v for %+v", result.Also, r.Also)
		}
		add(x.On, x.Reservation)
	}
	w.judge(r.Model)
	for _, x := range result.Also {
		w.judge(x.On)
	}
	if r.Model == "m" {
		w.underway = append(w.underway, f)
	}
	return result
}

// judge checks that what arrived last on a calendar breaks none of its limits.
func (w *kinds) judge(name string) {
	l, s, all := w.limits[name], w.rules.Specs[name], w.arrived[name]
	window := s.Window
	if window == 0 {
		window = Window
	}
	n := all[len(all)-1]
	var tokens, count, day int64
	for _, a := range all {
		going := a.latest > n.earliest.Add(-window) && (!s.AtATime || a.over == 0 || a.over > n.earliest)
		if going {
			tokens, count = tokens+weigh(a.tokens, l), count+a.requests
		}
		if dateOn(w.rules, name, a.earliest) == dateOn(w.rules, name, n.earliest) {
			day += a.requests
		}
		if !s.Refill {
			continue
		}
		// From a's arrival on, or that of whatever else can arrive since.
		per, since := window.Milliseconds(), min(a.latest, n.earliest)
		var taken, times int64
		for _, b := range all {
			if b.latest >= since {
				taken, times = taken+b.tokens, times+b.requests
			}
		}
		full, passed := bucket(s), int64(n.earliest-since)
		if l.TPM != Unlimited && taken*per > full.Tokens*per+passed*l.TPM || l.RPM != Unlimited && times*per > full.Requests*per+passed*l.RPM {
			w.t.Fatalf("%s: %d requests, %d tokens in %d ms, under %+v\n%s", name, times, taken, passed, s, show(w.p.Calendar(name), w.now))
		}
	}
	if !s.Refill && (l.RPM != Unlimited && count > l.RPM || l.TPM != Unlimited && tokens > l.TPM) || l.RPD != Unlimited && day > l.RPD {
		w.t.Fatalf("%s: %d requests, %d tokens, %d today, under %+v\n%s", name, count, tokens, day, l, show(w.p.Calendar(name), w.now))
	}
}

// draw takes a journey out of those that are on their way.
func (w *kinds) draw() journey {
	i := rapid.IntRange(0, len(w.underway)-1).Draw(w.t, "underway")
	f := w.underway[i]
	w.underway = slices.Delete(w.underway, i, i+1)
	return f
}

// land has a request settled, most often down, or cancelled.
func (w *kinds) land() {
	f, at := w.draw(), w.clock()
	if rapid.IntRange(0, 4).Draw(w.t, "cancel") == 0 {
		cancel := Cancel{Model: "m", ID: f.result.Reservation.ID, Reserved: f.result.Reservation, Also: f.result.Also}
		w.p, _ = apply(w.t, w.rules, w.p, at, cancel)
		f.gone()
		return
	}
	s := Settle{Model: "m", ID: f.result.Reservation.ID, Reserved: f.result.Reservation, Also: f.result.Also, SentAt: f.result.Start}
	for j, a := range f.seen {
		a.latest = min(a.latest, f.result.Start.Add(w.rules.Late(f.name(j))))
		a.over = max(at, w.p.Latest)
		n := rapid.Int64Range(0, min(a.tokens, 1000)).Draw(w.t, "real")
		if rapid.IntRange(0, 9).Draw(w.t, "more") == 0 {
			n = a.tokens + rapid.Int64Range(1, 300).Draw(w.t, "by")
			w.disturbed = true
		}
		if n < a.tokens || !w.left(f, j, at) {
			a.tokens = n
		}
		if j == 0 {
			s.Tokens = n
		} else {
			s.Counted = append(s.Counted, n)
		}
	}
	w.p, _ = apply(w.t, w.rules, w.p, at, s)
	if again, second := apply(w.t, w.rules, w.p, at, s); second.Changed {
		w.t.Fatalf("settled twice: %+v", again)
	}
}

// left reports whether what a journey weighs on the j-th of its calendars has left the window by a clock. Who learns then that it
// was more changes nothing; so time doesn't go on for the project, and by a clock that is far behind it was less as long as
// that one takes it for something that counts, which by then it does nowhere.
func (w *kinds) left(f journey, j int, at Instant) bool {
	s := w.rules.Spec(f.name(j))
	return !s.Refill && !s.AtATime && f.seen[j].latest.Add(s.Window) <= max(at, w.p.Latest)
}

// name returns the j-th of a journey's calendars.
func (f journey) name(j int) string {
	if j == 0 {
		return "m"
	}
	return f.result.Also[j-1].On
}

// gone notes that nothing has arrived.
func (f journey) gone() {
	for _, a := range f.seen {
		a.requests, a.tokens = 0, 0
	}
}

// extend has a request last longer: a session, or one whose commit took long.
func (w *kinds) extend() {
	f, at := w.draw(), w.clock()
	until := max(w.now, f.result.Start) + Instant(rapid.Int64Range(0, 3000).Draw(w.t, "until"))
	yield := rapid.Bool().Draw(w.t, "yield")
	x := Extend{
		Model: "m", ID: f.result.Reservation.ID, Until: until, Yield: yield, Reserved: f.result.Reservation, Also: f.result.Also,
	}
	next, result := apply(w.t, w.rules, w.p, at, x)
	if again, second := apply(w.t, w.rules, next, at, x); second.Changed {
		w.t.Fatalf("extended twice: %+v", again)
	}
	if w.p = next; result.Verdict != Admitted {
		if result.Changed {
			f.gone()
		}
		return
	}
	w.disturbed = w.disturbed || !yield
	f.result.Reservation = result.Reservation
	for i, x := range f.result.Also {
		for _, longer := range result.Also {
			if longer.On == x.On {
				f.result.Also[i] = longer
				f.seen[i+1].latest = max(f.seen[i+1].latest, until.Add(w.rules.Late(x.On)))
			}
		}
	}
	f.seen[0].latest = max(f.seen[0].latest, until.Add(w.rules.Skew))
	w.underway = append(w.underway, f)
}

// claim has the holder of the next booking come, on time or late.
func (w *kinds) claim() {
	slices.SortFunc(w.held, func(a, b heldSlot) int { return int(a.b.Start - b.b.Start) })
	h := w.held[0]
	w.held = w.held[1:]
	if h.b.Start < w.now {
		return // somebody else's turn was later
	}
	late := rapid.SampledFrom([]Instant{0, 0, 0, 100, 5000}).Draw(w.t, "late")
	w.now = h.b.Start + late
	older := slices.ContainsFunc(w.p.Calendars, func(c *Calendar) bool {
		return slices.ContainsFunc(c.Bookings, func(b Booking) bool { return b.Rank < h.b.Rank && w.now <= heldUntil(w.rules, b) })
	})
	result := w.reserve(w.now, Reserve{Model: "m", Demand: h.b.Demand, Also: h.also, Booking: h.b.ID})
	if result.Verdict != Admitted && !older && !w.disturbed {
		w.t.Fatalf("the holder of %+v got %+v, %d ms late", h.b, result, w.now-h.b.Start)
	}
	w.disturbed = w.disturbed || late > 0
}

// exact checks Earliest against brute force: all of it fits there, and at no instant
// before, of those at which something ends, a hold is over or a day begins, nor a
// millisecond earlier.
func exact(t failer, rules *Rules, p *Project, now Instant, d Demand, also []Weight) {
	t.Helper()
	now = max(now, p.Latest)
	s, cause := p.Earliest(rules, now, "m", d, also)
	weights := append([]Weight{{On: "m", Demand: d}}, also...)
	all := func(at Instant) bool {
		return !slices.ContainsFunc(weights, func(w Weight) bool { return !fits(rules, p.Calendar(w.On), now, at, w.Demand, everyone) })
	}
	switch {
	case s == Never && (cause == Unavailable || cause == TooLarge):
		return
	case (s > now) != (cause != NoCause):
		t.Fatalf("cause %q for a wait of %v", cause, s.Sub(now))
	case !all(s):
		t.Fatalf("%+v doesn't fit at its earliest %+d", weights, s-now)
	case s > now && all(s-1):
		t.Fatalf("%+v fits a millisecond before its earliest %+d", weights, s-now)
	}
	for _, w := range weights {
		for _, turn := range turns(rules, p.Calendar(w.On), now, w.Demand) {
			if turn < s && all(turn) {
				t.Fatalf("%+v fits at %+d, its earliest is %+d", weights, turn-now, s-now)
			}
		}
	}
}
