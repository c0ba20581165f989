package scheduler_test

import (
	"slices"
	"testing"
	"time"

	"fluxgate.dev/fluxgate/internal/race"
	. "fluxgate.dev/fluxgate/scheduler"
	"pgregory.net/rapid"
)

// A tale is the history of one calendar, event by event, so that it can be told
// again without some of those who took part.
type tale struct {
	*rapid.T
	rules  *Rules
	now    Instant
	p      *Project
	events []event
	made   map[uint64]moment // by the ID of a booking
	sent   []Reservation
	lastID uint64
}

// An event is a change that was made, and in whose name: the holder of the
// booking with that rank, or a walk-in.
type event struct {
	at     Instant
	change Change
	rank   uint64
}

const walkIn = everyone

// A moment is where a tale stood when a booking had just been made.
type moment struct {
	p      *Project
	events int
}

func (w *tale) tell(change Change, rank uint64) Result {
	var result Result
	w.p, result = apply(w.T, w.rules, w.p, w.now, change)
	w.events = append(w.events, event{w.now, change, rank})
	if result.Verdict == Admitted {
		w.sent = append(w.sent, result.Reservation)
	}
	return result
}

// ask has a walk-in come, with or without the wish for a booking.
func (w *tale) ask(d Demand) {
	w.lastID++
	result := w.tell(Reserve{Model: "m", Demand: d, ID: w.lastID, Book: rapid.IntRange(0, 3).Draw(w.T, "book") > 0, Hold: drawHold(w.T)}, walkIn)
	if result.Verdict == Booked {
		w.made[result.Booking.ID] = moment{w.p, len(w.events)}
	}
}

// comeBack has a holder return in time, and asks what it would have been told
// had neither a walk-in nor anybody younger come since its booking was made.
func (w *tale) comeBack(b Booking) {
	w.lastID++
	claim := Reserve{Model: "m", Demand: b.Demand, ID: w.lastID, Booking: b.ID}
	got := w.tell(claim, b.Rank)

	from := w.made[b.ID]
	p := from.p
	mine := make(map[uint64]bool) // what was sent by those who are in this tale
	for _, c := range from.p.Calendars {
		for _, r := range c.Sent {
			mine[r.ID] = true
		}
	}
	var want Result
	for _, e := range w.events[from.events:] {
		switch change := e.change.(type) {
		case Reserve:
			if e.rank > b.Rank {
				continue
			}
		case Settle:
			if !mine[change.ID] {
				continue
			}
		case Cancel:
			if !mine[change.ID] {
				continue
			}
		case Release:
			if e.rank > b.Rank {
				continue
			}
		}
		p, want = p.Apply(w.rules, e.at, e.change)
		if want.Verdict == Admitted {
			mine[want.Reservation.ID] = true
		}
	}
	if got.Verdict != want.Verdict || got.Start != want.Start {
		w.Fatalf("at %d the holder of %+v got %s %+d; without walk-ins and younger bookings %s %+d\n%s%s",
			w.now, b, got.Verdict, got.Start-w.now, want.Verdict, want.Start-w.now,
			show(w.p.Calendar("m"), w.now), show(p.Calendar("m"), w.now))
	}
}

// TestHoldersStand checks that a holder who returns within its hold gets the
// very answer, admission or remaining wait, that it would have got if no
// walk-in and no younger caller had come since its booking was made: whatever
// is in its way was sent before, or belongs to an older booking.
//
// It is exact while nothing is folded (beyond 64 requests a minute a rounded
// end can add up to a second, see TestFoldedPromises) and as long as nothing is
// found to be larger than was reserved.
func TestHoldersStand(t *testing.T) {
	race.Skip(t)
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{
			RPM: rapid.SampledFrom([]int64{1, 2, 3, 5, 10, 40}).Draw(t, "rpm"),
			TPM: rapid.SampledFrom([]int64{10, 250_000, Unlimited}).Draw(t, "tpm"),
			RPD: Unlimited,
		}
		w := &tale{T: t, rules: rulesFor(map[string]Limits{"m": limits}), made: make(map[uint64]moment)}
		w.rules.Hold = rapid.SampledFrom([]time.Duration{5 * time.Second, 5 * time.Second, 0, 20 * time.Second, 70 * time.Second}).Draw(t, "hold")
		demands := make([]Demand, rapid.IntRange(1, 4).Draw(t, "kinds"))
		for i := range demands {
			unit := max(1, limits.TPM/10)
			demands[i] = Demand{
				Tokens:    min(1<<20, unit*rapid.Int64Range(1, 10).Draw(t, "tokens")*rapid.SampledFrom([]int64{1, 1, 1, 3}).Draw(t, "times")),
				Requests:  rapid.Int64Range(1, min(2, limits.RPM)).Draw(t, "requests"),
				Allowance: rapid.SampledFrom([]time.Duration{0, 0, 1500 * ms, 7 * time.Second}).Draw(t, "allowance"),
			}
		}
		for range rapid.IntRange(30, 120).Draw(t, "steps") {
			w.now += Instant(rapid.IntRange(0, 9).Draw(t, "tenths") * 100)
			var bookings []Booking
			if w.p != nil {
				bookings = w.p.Calendar("m").Bookings
			}
			switch rapid.IntRange(0, 7).Draw(t, "step") {
			case 0, 1, 2, 3:
				w.ask(rapid.SampledFrom(demands).Draw(t, "demand"))
			case 4, 5, 6:
				if len(bookings) == 0 {
					continue
				}
				b := slices.MinFunc(bookings, func(a, b Booking) int { return int(a.Start - b.Start) })
				if rapid.Bool().Draw(t, "any") {
					b = rapid.SampledFrom(bookings).Draw(t, "booking")
				}
				until := heldUntil(w.rules, b)
				late := b.Start + (until-b.Start)*Instant(rapid.IntRange(0, 10).Draw(t, "late"))/10
				if w.now = max(w.now, late); w.now <= until {
					w.comeBack(b)
				}
			case 7:
				if len(w.sent) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(w.sent)-1).Draw(t, "sent")
				r := w.sent[i]
				w.sent = slices.Delete(w.sent, i, i+1)
				switch rapid.IntRange(0, 2).Draw(t, "end") {
				case 0:
					w.tell(Cancel{Model: "m", ID: r.ID}, 0)
				case 1:
					w.tell(Settle{Model: "m", ID: r.ID, Reserved: r, Tokens: r.Tokens / 2, SentAt: r.Start + 20}, 0)
				case 2:
					if len(bookings) > 0 {
						b := rapid.SampledFrom(bookings).Draw(t, "booking")
						w.tell(Release{b.ID}, b.Rank)
					}
				}
			}
		}
	})
}
