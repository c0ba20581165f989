package ticket

import (
	"math/rand/v2"

	"fluxgate.dev/fluxgate/scheduler"
)

// NewID returns a random ID for a reservation or booking. 32 bits pack well,
// and a calendar makes sure that its own differ.
func NewID() uint64 { return uint64(rand.Uint32()) | 1<<32 }

// NewIDOf returns a random ID for a booking or reservation, which says in its upper 31
// bits whose it is: so every instance knows what a caller has, and a build that doesn't
// keeps it.
func NewIDOf(caller string) uint64 { return NewID() | uint64(scheduler.CallerOf(caller))<<33 }

// CallerOf returns what an ID says of its caller, as scheduler.CallerOf does; 0 where it
// says nothing, for an older build made it.
func CallerOf(id uint64) uint32 { return uint32(id >> 33) }
