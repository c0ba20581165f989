package simulation

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/dispatch/weights"
	"fluxgate.dev/fluxgate/scheduler"
)

// A size is what a request turned out to be.
type size struct{ input, output int64 }

// knowing returns which part of the bound a schedule uses that knows all that can be known, and who waits for it is always there: the same
// clients ask for the same things, one after another, and whoever waits goes at the very instant at which there is room, to the millisecond, on
// whichever organisation. What a request will put out isn't known until it is answered. Until then as much is reserved as all but the largest few
// put out ([weights.Quantile] says how many), as one would know it who has seen all of them. And each counts for a minute, and
// for as much longer as it may arrive late. Which of those that fit is best sent is known to nobody; so it is the best of several orders.
func knowing(asked []size, f *foreign, d time.Duration) float64 {
	var outputs []int64
	for _, x := range asked {
		outputs = append(outputs, x.output)
	}
	slices.Sort(outputs)
	k := &known{f: f, asked: asked, expects: outputs[min(len(outputs)*weights.Quantile/100, len(outputs)-1)]}
	best := int64(0)
	for _, better := range []func(x, y fit) int{
		func(x, y fit) int { return cmp.Compare(x.since, y.since) },                                            // who has waited for longest
		func(x, y fit) int { return cmp.Compare(y.reserved, x.reserved) },                                      // the largest
		func(x, y fit) int { return cmp.Compare(x.reserved, y.reserved) },                                      // the smallest
		func(x, y fit) int { return cmp.Compare(x.free-x.reserved, y.free-y.reserved) },                        // what leaves least
		func(x, y fit) int { return cmp.Or(cmp.Compare(y.reserved, x.reserved), cmp.Compare(x.free, y.free)) }, // the largest, where it leaves least
	} {
		best = max(best, k.play(better, d))
	}
	return float64(best) / float64(f.bound.Amount) * float64(f.bound.Per) / float64(d) / float64(f.organisations)
}

// A fit is a request that waits, and an organisation that has room for it.
type fit struct {
	since          time.Duration
	which, of      int
	reserved, free int64
}

// A happening is that so much becomes free again, so much has been used, or a client asks for the next thing.
type happening struct {
	at    time.Duration
	of    int
	frees int64
	used  int64
	asks  bool
}

type happenings []happening

func (h happenings) Len() int           { return len(h) }
func (h happenings) Less(i, j int) bool { return h[i].at < h[j].at }
func (h happenings) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *happenings) Push(x any)        { *h = append(*h, x.(happening)) }
func (h *happenings) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// A known is what such a schedule knows.
type known struct {
	f       *foreign
	asked   []size
	expects int64 // that is put out at most
}

// play returns how many tokens are used until an instant.
func (k *known) play(better func(x, y fit) int, d time.Duration) (used int64) {
	free := make([]int64, k.f.organisations)
	for i := range free {
		free[i] = k.f.bound.Amount
	}
	next, waiting, all := 0, []fit(nil), new(happenings)
	for range askers {
		heap.Push(all, happening{asks: true})
	}
	for all.Len() > 0 && (*all)[0].at < d {
		now := (*all)[0].at
		for all.Len() > 0 && (*all)[0].at == now {
			x := heap.Pop(all).(happening)
			free[x.of] += x.frees
			if used += x.used; x.asks {
				waiting = append(waiting, fit{since: now, which: next, reserved: k.asked[next%len(k.asked)].input + k.expects})
				next++
			}
		}
		for {
			best, at := fit{}, -1
			for i, x := range waiting {
				for x.of, x.free = range free {
					if x.free >= x.reserved && (at < 0 || better(x, best) < 0) {
						best, at = x, i
					}
				}
			}
			if at < 0 {
				break
			}
			waiting = slices.Delete(waiting, at, at+1)
			x := k.asked[best.which%len(k.asked)]
			free[best.of] -= best.reserved
			used += x.input
			heap.Push(all, happening{at: now + k.f.latency, of: best.of, frees: best.reserved - x.input - x.output, used: x.output, asks: true})
			heap.Push(all, happening{at: now + k.f.bound.Per + scheduler.DefaultSkew, of: best.of, frees: x.input + x.output})
		}
	}
	return used
}
