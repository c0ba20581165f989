package geminisim

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// random is where all that is made up comes from. It is safe for concurrent use.
type random struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newRandom(seed uint64) *random {
	return &random{rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))}
}

// id returns the ID of a new resource, or of an upload.
func (r *random) id(length int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	id := make([]byte, length)
	for i := range id {
		id[i] = digits[r.rng.IntN(len(digits))]
	}
	return string(id)
}

// responseID returns an ID of the form that answers carry.
func (r *random) responseID() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strconv.FormatUint(r.rng.Uint64(), 36)
}

// upTo returns a duration of at most so much.
func (r *random) upTo(most time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Duration(r.rng.Int64N(int64(most) + 1))
}
