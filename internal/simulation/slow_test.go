package simulation

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A slow store is a store in memory of which each commit takes as long as one of a database. There is one at a time for each
// project, that of all changes that have come since the last one began, in the order in which they came, and no two within a
// fifth of a second.
type slowStore struct {
	*storage.Memory
	commit time.Duration

	mu         sync.Mutex
	next       map[string]time.Time // when the next commit of a project begins at the earliest
	made       *sync.Cond           // another change was
	came, done map[string]int       // changes of a project
}

func newSlowStore(commit time.Duration) *slowStore {
	s := &slowStore{
		Memory: storage.NewMemory(time.Now), commit: commit, next: make(map[string]time.Time), came: make(map[string]int), done: make(map[string]int),
	}
	s.made = sync.NewCond(&s.mu)
	return s
}

func (s *slowStore) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	s.mu.Lock()
	now := time.Now()
	begins := s.next[id]
	if !begins.After(now) {
		begins = now
		s.next[id] = now.Add(max(s.commit, 200*time.Millisecond))
	}
	turn := s.came[id]
	s.came[id]++
	s.mu.Unlock()
	if begins.After(now) {
		time.Sleep(begins.Sub(now))
		s.mu.Lock()
		if s.next[id].Equal(begins) { // the first of those that waited for it
			s.next[id] = begins.Add(max(s.commit, 200*time.Millisecond))
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	for s.done[id] < turn {
		s.made.Wait()
	}
	result, err := s.Memory.Apply(ctx, rules, id, change)
	s.done[id]++
	s.made.Broadcast()
	s.mu.Unlock()
	time.Sleep(s.commit)
	return result, err
}

// What the table of slow stores is made of; that of .github/measured.md is what this prints:
//
//	go test -v -run TestSlowStore ./internal/simulation -commits 0s,300ms,1s,2s -of 2,5,20
var (
	commits = flag.String("commits", "1s", "how long commits take in the table of slow stores, with commas between them")
	of      = flag.String("of", "5", "of how many callers it is made")
)

// What a slow store costs: a slot counts from when its commit begins, and its request is sent when that has ended, until when
// whoever comes next isn't let in either. No limit is broken by it, and no share.
func TestSlowStore(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as a row of TestFairShares")
	}
	race.Skip(t)
	var rows []string
	for text := range strings.SplitSeq(*commits, ",") {
		commit, err := time.ParseDuration(text)
		require.NoError(t, err)
		for text := range strings.SplitSeq(*of, ",") {
			n, err := strconv.Atoi(text)
			require.NoError(t, err)
			synctest.Test(t, func(t *testing.T) {
				store := newSlowStore(commit)
				f := shares(t, heavy(n, true), 1, false, 1001, 22*time.Minute, func() storage.Store { return store })
				rows = append(rows, fmt.Sprintf("| %v | %2d mixed | 1 | 1001 | %s", commit, n, f))
				if commit <= time.Second {
					assert.GreaterOrEqual(t, f.used, 0.89)
				}
				assert.LessOrEqual(t, f.difference, f.bound)
				assert.Zero(t, f.refused)
				assert.Zero(t, f.broken)
			})
		}
	}
	t.Logf("in virtual time, commits that take so long\n%s\n%s", fairnessHead, strings.Join(rows, "\n"))
}
