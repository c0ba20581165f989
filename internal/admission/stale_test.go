package admission_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A stale store shows its projects as they were when they were last read, as an
// instance does that shares a database with others.
type stale struct {
	storage.Store
	seen map[string]*scheduler.Project
}

func (s *stale) View(ctx context.Context, ids []string) ([]*scheduler.Project, error) {
	if !slices.ContainsFunc(ids, func(id string) bool { _, ok := s.seen[id]; return !ok }) {
		list := make([]*scheduler.Project, len(ids))
		for i, id := range ids {
			list[i] = s.seen[id]
		}
		return list, nil
	}
	return s.read(ctx, ids)
}

func (s *stale) read(ctx context.Context, ids []string) ([]*scheduler.Project, error) {
	list, err := s.Store.View(ctx, ids)
	for i, p := range list {
		s.seen[ids[i]] = p
	}
	return list, err
}

func (s *stale) Refresh(ctx context.Context, ids []string, _ bool) error {
	_, err := s.read(ctx, ids)
	return err
}

// The holder of a booking is known to an instance whose view is older than the
// booking: by its ticket and, where it would be refused, by its hash.
func TestBookingsNewerThanTheView(t *testing.T) {
	for name, back := range map[string]func(b *bench, req *admission.Request, wait *admission.Wait){
		"by ticket": func(b *bench, req *admission.Request, wait *admission.Wait) {
			ticket, err := b.ParseTicket(wait.Ticket, req.Caller)
			require.NoError(b, err)
			req.Ticket, req.Hash = ticket, 0
		},
		"by hash": func(*bench, *admission.Request, *admission.Wait) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := storage.NewMemory(time.Now)
				here := newBench(t, shared, []string{"p"})
				other := &stale{shared, map[string]*scheduler.Project{}}
				there := newBench(t, other, []string{"p"})

				here.granted(here.request())
				_, err := there.shared.View(t.Context(), []string{"p"})
				require.NoError(t, err)
				mine := here.request()
				wait := here.booked(mine)
				next := here.booked(here.request())
				require.Greater(t, next.Start, wait.Start, "who comes later is booked behind")

				// What the other instance knows is from before both bookings; on its
				// view there is no room for anybody but at the same instant.
				back(there, &mine, wait)
				there.until(wait.Start)
				other.seen["p"] = crowded(t, other.seen["p"], here.rules, there.Now())
				grant := there.granted(mine)
				assert.True(t, grant.Booked, "it got in by its booking")
			})
		})
	}
}

// crowded returns the project as if somebody had just taken its only slot.
func crowded(t *testing.T, p *scheduler.Project, rules *scheduler.Rules, now scheduler.Instant) *scheduler.Project {
	next, result := p.Apply(rules, now, scheduler.Reserve{Model: first, Demand: scheduler.Demand{Tokens: 10}, ID: 99})
	require.Equal(t, scheduler.Admitted, result.Verdict)
	return next
}

// What another instance has just found out of a key, or an operator said, holds for an instance whose view is older: it
// takes another key of the project, another project, or says that there is none.
func TestKeysNewerThanTheView(t *testing.T) {
	yes, spent := true, "BILLING"
	for name, mark := range map[string]scheduler.SetMark{"disabled": {Disabled: &yes}, "invalid": {Invalid: &spent}} {
		for _, c := range []struct {
			name, key string
			pool      []admission.Project
		}{
			{"another key", "second-key-of-p", []admission.Project{{ID: "p", Keys: []string{"key-of-p", "second-key-of-p"}}}},
			{"another project", "key-of-q", []admission.Project{{ID: "p", Keys: []string{"key-of-p"}}, {ID: "q", Keys: []string{"key-of-q"}}}},
			{"none", "", []admission.Project{{ID: "p", Keys: []string{"key-of-p"}}}},
		} {
			t.Run(name+", "+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					shared := storage.NewMemory(time.Now)
					there := newBench(t, &stale{shared, map[string]*scheduler.Project{}}, []string{"p"})
					ids := []string{"p", "q"}
					_, err := there.shared.View(t.Context(), ids)
					require.NoError(t, err)
					mark.Key = "key-of-p"
					_, err = shared.Apply(t.Context(), there.rules, "p", mark)
					require.NoError(t, err)
					req := there.request()
					req.Projects = c.pool
					grant, wait, err := there.Admit(t.Context(), req)
					assert.Nil(t, wait)
					if c.key == "" {
						assert.ErrorIs(t, err, admission.ErrNoProject)
						assert.Nil(t, grant)
						return
					}
					require.NoError(t, err)
					assert.Equal(t, c.key, grant.Key)
				})
			})
		}
	}
}

// A booking is kept where another instance has just found out that the key which its holder would be sent with can't be
// used: the project has another.
func TestBookingsOutliveAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := storage.NewMemory(time.Now)
		here := newBench(t, shared, []string{"p"})
		here.pool[0].Keys = append(here.pool[0].Keys, "second-key-of-p")
		other := &stale{shared, map[string]*scheduler.Project{}}
		there := newBench(t, other, []string{"p"})
		invalid, valid, yes := "BILLING", "", true
		mark := func(m scheduler.SetMark) {
			_, err := shared.Apply(t.Context(), here.rules, "p", m)
			require.NoError(t, err)
		}

		here.granted(here.request())
		mine := here.request()
		wait := here.booked(mine)
		here.booked(here.request())
		mark(scheduler.SetMark{Key: "second-key-of-p", Invalid: &invalid})
		there.until(wait.Start)
		require.NoError(t, other.Refresh(t.Context(), []string{"p"}, true)) // by which there is the first key alone
		mark(scheduler.SetMark{Key: "second-key-of-p", Invalid: &valid})
		mark(scheduler.SetMark{Key: "key-of-p", Disabled: &yes})
		grant := there.granted(mine)
		assert.True(t, grant.Booked, "it got in by its booking")
		assert.Equal(t, "second-key-of-p", grant.Key)
	})
}
