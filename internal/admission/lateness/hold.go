package lateness

import "time"

// mostHold bounds for how long a booking is kept: so that one is that was told a window.
const mostHold = 35 * time.Second

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
// wait: not where it would have to be kept for longer than mostHold, for that is how long
// a slot may stand idle that others could have used. Kept for a whole window they would leave
// a third of a pool idle that has more to do than it can (TestCapacity, internal/simulation).
func Keeps(told time.Duration) bool { return Hold(told) <= mostHold }
