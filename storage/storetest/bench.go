package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// Bench measures Apply of a request that is admitted: by 1 and 64 callers of one
// instance and 64 of four, on 1 and 8 projects, not paced. Besides the time per
// admission it reports how many commits each took, and how many of those lost a
// race.
func Bench(b *testing.B, k Kind, open func(testing.TB) Harness) {
	for _, c := range []struct{ instances, callers, projects int }{
		{1, 1, 1}, {1, 1, 8}, {1, 64, 1}, {1, 64, 8}, {4, 64, 1}, {4, 64, 8},
	} {
		if c.instances > 1 && !k.Shared {
			continue
		}
		name := fmt.Sprintf("instances=%d/callers=%d/projects=%d", c.instances, c.callers, c.projects)
		b.Run(name, func(b *testing.B) {
			bench(b, open(b), c.instances, c.callers, c.projects)
		})
	}
}

func bench(b *testing.B, h Harness, instances, callers, projects int) {
	stores := make([]storage.Store, instances)
	for i := range stores {
		stores[i] = h.Open(b, eager())
	}
	ids := make([]string, projects)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%d", project, i)
		for _, s := range stores { // connections and documents are not measured
			if _, err := s.Apply(b.Context(), plenty, ids[i], ask(1)); err != nil {
				b.Fatal(err)
			}
		}
	}
	before := sum(stores)
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				r, err := stores[i%instances].Apply(b.Context(), plenty, ids[rand.IntN(projects)], ask(1))
				if err != nil || r.Verdict != scheduler.Admitted {
					b.Errorf("%v %v", r.Verdict, err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	after := sum(stores)
	b.ReportMetric(float64(after.Writes-before.Writes)/float64(b.N), "writes/op")
	b.ReportMetric(float64(after.Conflicts-before.Conflicts)/float64(b.N), "conflicts/op")
}

func sum(stores []storage.Store) (all storage.Stats) {
	for _, s := range stores {
		st := s.Stats()
		all.Writes += st.Writes
		all.Conflicts += st.Conflicts
	}
	return all
}
