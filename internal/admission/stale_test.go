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

// What a caller was served by one instance counts for what another books for it, though that hasn't seen it yet.
func TestCallersPlaceNewerThanTheView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := storage.NewMemory(time.Now)
		here := limited(t, shared, 1, "p", "q")
		there := limited(t, &stale{shared, map[string]*scheduler.Project{}}, 1, "p", "q")
		_, err := there.shared.View(t.Context(), []string{"caller=alice"})
		require.NoError(t, err)
		here.granted(here.others())
		time.Sleep(30 * time.Second)
		here.granted(here.mine())
		_, err = there.shared.View(t.Context(), []string{"p", "q"})
		require.NoError(t, err)
		there.hash = 1 << 20
		req := there.mine()
		req.Book = true
		wait := there.refused(req)
		assert.Equal(t, "alice", wait.Caller)
		assert.False(t, wait.Booked, "she couldn't use it")
		assert.Equal(t, 61*time.Second, there.left(wait))
	})
}

// A slow view shows what its instance has written, and of what others have only what it began with.
type slowView struct{ *stale }

func (slowView) Refresh(context.Context, []string, bool) error { return nil }

func (s slowView) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	result, err := s.Store.Apply(ctx, rules, id, change)
	if _, err := s.read(ctx, []string{id}); err != nil {
		return result, err
	}
	return result, err
}

// Two instances at which a caller asks for bookings at the same time keep it no more than its own limits let it use.
func TestBookingsOfACallerAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := storage.NewMemory(time.Now)
		projects := []string{"p", "q", "r", "s"}
		instances := make([]*bench, 4)
		for i := range instances {
			instances[i] = limited(t, shared, 2, projects...)
			instances[i].hash = uint64(i) << 20
		}
		for range projects {
			instances[0].granted(instances[0].others())
		}
		for _, b := range instances {
			view := slowView{&stale{shared, map[string]*scheduler.Project{}}}
			rpm := int64(2)
			*b = *limitedTo(t, view, scheduler.Override{RPM: &rpm}, projects...)
			_, err := view.View(t.Context(), append([]string{"caller=alice"}, projects...))
			require.NoError(t, err)
		}
		booked := 0
		for i, b := range instances {
			b.hash = uint64(i+1) << 20
			req := b.mine()
			req.Book = true
			if wait := b.refused(req); wait.Booked {
				booked++
			} else {
				assert.Equal(t, "alice", wait.Caller)
			}
		}
		assert.Equal(t, 2, booked)
	})
}

// What a caller gives back of what it has booked it may book anew, wherever it asks.
func TestCallerBooksWhatItGaveBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := storage.NewMemory(time.Now)
		here, there := limited(t, shared, 1, "p"), limited(t, shared, 1, "p")
		here.granted(here.others())
		for range 3 {
			wait := here.booked(here.mine())
			released, err := here.Release(t.Context(), here.ticket(wait), here.pool)
			require.NoError(t, err)
			assert.True(t, released)
			there.hash = here.hash + 1<<20
			wait = there.booked(there.mine())
			_, err = there.Release(t.Context(), there.ticket(wait), there.pool)
			require.NoError(t, err)
		}
	})
}
