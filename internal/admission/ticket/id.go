package ticket

import (
	"hash/fnv"
	"math/rand/v2"
)

// NewID returns a random ID for a reservation or booking. 32 bits pack well,
// and a calendar makes sure that its own differ.
func NewID() uint64 { return uint64(rand.Uint32()) | 1<<32 }

// NewIDOf returns a random ID for a booking or reservation, which says in its upper 31
// bits whose it is: so every instance knows what a caller has, and a build that doesn't
// keeps it.
func NewIDOf(caller string) uint64 { return NewID() | CallerTag(caller) }

// TagOf returns what an ID says of its caller: the CallerTag, or 0 where it says nothing,
// for an older build made it.
func TagOf(id uint64) uint64 { return id >> 33 << 33 }

// CallerTag is what IDs have of a caller; 0 for who has no name.
func CallerTag(caller string) uint64 {
	if caller == "" {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(caller)) // never fails
	return max(h.Sum64()>>33, 1) << 33
}
