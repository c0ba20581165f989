package weights

import (
	"slices"
	"strings"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/recent"
	"fluxgate.dev/fluxgate/internal/sharing"
	"fluxgate.dev/fluxgate/internal/upstream"
)

const (
	// Quantile is how many of a hundred requests put out no more than was reserved for them,
	// if they are like those before.
	Quantile = 95
	// Kept is how many of the last answers count.
	Kept = 64
	// Unknown is what a request is expected to put out, in tokens, and UnknownTime for how
	// long, where none like it has been answered yet.
	Unknown     = 1024
	UnknownTime = 10 * time.Second

	// maxKnown bounds the callers and models that are remembered: 512 bytes each.
	maxKnown = 1024
)

// A Book remembers what was put out for whom. It is in memory: each instance learns for itself,
// within a few requests. It is safe for use by any number of goroutines.
type Book struct {
	providers upstream.Providers
	shared    sharing.Table

	mu    sync.Mutex
	known *recent.Map[of, *last]
}

// of is whose answers they are: of a model and a caller; without one, of all.
type of struct {
	model, caller string
	all           bool
}

// last are the last answers, the oldest at next once there are as many as are kept.
type last struct {
	tokens, millis []uint32
	next           int
}

// New returns an empty book for requests to these providers, of which some models share their limits.
func New(providers upstream.Providers, shared sharing.Table) *Book {
	return &Book{providers: providers, shared: shared, known: recent.New[of, *last](maxKnown)}
}

// Note adds an answer: its tokens, thoughts included, and how long it took.
func (b *Book) Note(caller, model string, tokens int64, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range [2]of{{model, caller, false}, {model, "", true}} {
		l, ok := b.known.Get(id)
		if !ok {
			l = new(last)
			b.known.Put(id, l)
		}
		l.add(bounded(tokens), bounded(took.Milliseconds()))
	}
}

// Expect returns how many tokens a request is likely not to exceed, which are never more than it
// allows for (0: any number), and how long its answer is likely to take at most, in whole
// milliseconds.
func (b *Book) Expect(caller, model string, most int64) (tokens int64, takes time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	tokens, takes = Unknown, UnknownTime
	if strings.Contains(model, "embed") {
		tokens = 0 // embeddings aren't counted
	}
	for _, id := range [2]of{{model, caller, false}, {model, "", true}} {
		if l, ok := b.known.Get(id); ok {
			tokens, takes = quantile(l.tokens), time.Duration(quantile(l.millis))*time.Millisecond
			break
		}
	}
	if most > 0 {
		tokens = min(tokens, most)
	}
	return tokens, takes
}

func (l *last) add(tokens, millis uint32) {
	if len(l.tokens) < Kept {
		l.tokens, l.millis = append(l.tokens, tokens), append(l.millis, millis)
		return
	}
	l.tokens[l.next], l.millis[l.next] = tokens, millis
	l.next = (l.next + 1) % Kept
}

// quantile returns what the next of a series is no larger than with the chance of Quantile, if
// each order of them is as likely: of n before it, the one at Quantile of n+1; where there are too
// few for that, the largest and half of it more.
func quantile(series []uint32) int64 {
	sorted := slices.Sorted(slices.Values(series))
	n := len(sorted)
	rank := (Quantile*(n+1) + 99) / 100
	if rank > n {
		most := int64(sorted[n-1])
		return most + most/2
	}
	return int64(sorted[rank-1])
}

func bounded(n int64) uint32 { return uint32(min(max(n, 0), 1<<31)) }
