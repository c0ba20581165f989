package ownlimits

import (
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// Model names the only calendar of a caller's document.
const Model = "all"

// Document is the ID of a caller's document. No project's ID has the sign.
func Document(caller string) string { return "caller=" + caller }

// Rules returns the rules of every caller that has limits.
func Rules(limits map[string]scheduler.Override, rules *scheduler.Rules) map[string]*scheduler.Rules {
	out := make(map[string]*scheduler.Rules, len(limits))
	unlimited := scheduler.Unlimited
	for name, o := range limits {
		for _, limit := range []**int64{&o.RPM, &o.TPM, &o.RPD} {
			if *limit == nil {
				*limit = &unlimited
			}
		}
		own := *rules
		own.Policy = scheduler.NewPolicy([]string{Model}, map[string]scheduler.Override{Model: o})
		own.Specs = nil // nothing else is counted there, so nothing else need be kept
		out[name] = &own
	}
	return out
}

// Announce announces a booking.
func Announce(booking uint64, start scheduler.Instant) scheduler.ShareWaitlist {
	return scheduler.ShareWaitlist{Entries: []scheduler.Waitlisted{{Hash: short(booking), Start: start}}}
}

// Withdraw says that nothing came of a booking that was announced.
func Withdraw(booking uint64) scheduler.ShareWaitlist { return Announce(booking, 0) }

// Before returns the bookings that were announced before one and haven't begun, but for those that are
// known. What they weigh isn't: it is taken to be the same.
func Before(state *scheduler.Project, booking uint64, demand scheduler.Demand, known []scheduler.Booking, now scheduler.Instant) (all []scheduler.Booking) {
	if state == nil {
		return nil
	}
	for _, x := range state.Waitlist {
		if x.Hash == short(booking) {
			break
		}
		if x.Start > now && !slices.ContainsFunc(known, func(b scheduler.Booking) bool { return short(b.ID) == x.Hash }) {
			all = append(all, scheduler.Booking{Start: x.Start, Demand: demand})
		}
	}
	return all
}

// Announced returns the bookings, but for one, that were announced and whose hold isn't over, beside those that are known.
func Announced(rules *scheduler.Rules, state *scheduler.Project, except uint64, demand scheduler.Demand, known []scheduler.Booking, now scheduler.Instant) []scheduler.Booking {
	all := known[:len(known):len(known)]
	if state == nil {
		return all
	}
	for _, x := range state.Waitlist {
		if x.Hash != short(except) && now <= x.Start.Add(rules.Hold) && !slices.ContainsFunc(known, func(b scheduler.Booking) bool { return short(b.ID) == x.Hash }) {
			all = append(all, scheduler.Booking{Start: x.Start, Demand: demand})
		}
	}
	return all
}

func short(booking uint64) uint32 { return uint32(booking) }
