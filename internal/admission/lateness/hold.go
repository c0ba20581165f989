package lateness

import "time"

// mostHold bounds for how long a booking is kept, but for one that starves: so that one is
// that was told a window.
const mostHold = 35 * time.Second

// patience is how many times as long as it was told last a request has to have waited to be
// taken for one that starves.
const patience = 4

// margin is for a wait that is told in whole seconds, and for the way.
const margin = 2 * time.Second

// Spread reports whether a caller that came so late, where it was told such a wait, comes at
// any time until half as long again. So do Envoy's retries by the headers of an answer
// (its source: JitteredLowerBoundBackOffStrategy), so that not all come at once.
func Spread(told, late time.Duration) bool { return late <= told/2+margin }

// Hold returns how long a booking is kept for one that comes like that and is told such a
// wait. It is as much longer than others are as it takes, so its own slots are; those of
// callers that come in time stay as they are, for it is each request that shows how it comes.
func Hold(told time.Duration) time.Duration {
	return (told/2 + margin).Truncate(time.Second)
}

// Keeps reports whether a booking is made for one that comes like that and is told such a
// wait. It isn't where it would have to be kept for longer than mostHold, for that is how long
// a slot may stand idle that others could have used: then it is told a time like those that
// haven't come back, and most find room when they come, unless all others book.
//
// In TestCapacity (internal/simulation) 400 callers wait for six minutes. If one in ten comes
// like that, 98% of what is possible is used, and if all do 81%. It was 93% and 68% where each
// was booked at its first return, however long that is kept; and 97% and 78% where each was
// told the next room, and not kept it, but then some came up to 36 times.
func Keeps(told time.Duration) bool { return Hold(told) <= mostHold }

// Starves reports whether one that was last told such a wait and has waited for so long has
// come in vain too often: three or four times. It is booked, whatever that costs, or it would
// never be served where all others book (TestWhoComesLateToALongWait, internal/simulation).
func Starves(told, waited time.Duration) bool { return waited >= patience*told }
