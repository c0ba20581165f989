package accounts

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

const (
	// within is how far apart two projects are refused at most that are refused
	// together, and often how often they are until they wait together: accounts of one
	// size under even load may come to their limits at the same time once.
	within = 10 * time.Second
	often  = 2
)

// Accounts are what was seen. Its JSON is stored.
type Accounts struct {
	// Refusals is when a project was refused last, Answers when one that was tried after
	// that was served.
	Refusals map[string]scheduler.Instant `json:"refused,omitempty"`
	Answers  map[string]scheduler.Instant `json:"served,omitempty"`
	// Together is how often two projects were refused together, the first in the order of
	// names first.
	Together map[string]map[string]int `json:"together,omitempty"`
}

// Read returns what is stored, of the projects that there are. What can't be read is
// replaced.
func Read(data []byte, has func(project string) bool) *Accounts {
	a := new(Accounts)
	if len(data) > 0 && json.Unmarshal(data, a) != nil {
		*a = Accounts{}
	}
	for _, m := range []*map[string]scheduler.Instant{&a.Refusals, &a.Answers} {
		if *m == nil {
			*m = make(map[string]scheduler.Instant)
		}
		maps.DeleteFunc(*m, func(project string, _ scheduler.Instant) bool { return !has(project) })
	}
	if a.Together == nil {
		a.Together = make(map[string]map[string]int)
	}
	for x, more := range a.Together {
		maps.DeleteFunc(more, func(y string, _ int) bool { return !has(x) || !has(y) })
	}
	maps.DeleteFunc(a.Together, func(_ string, more map[string]int) bool { return len(more) == 0 })
	return a
}

// With returns the projects that wait with one, in order.
func (a *Accounts) With(project string) (list []string) {
	for x, more := range a.Together {
		for y, n := range more {
			switch {
			case n < often:
			case x == project:
				list = append(list, y)
			case y == project:
				list = append(list, x)
			}
		}
	}
	slices.Sort(list)
	return list
}

// Refused notes that a project was refused. One that was served at that time, when both
// were tried, isn't billed with it.
func (a *Accounts) Refused(project string, now scheduler.Instant) {
	for other, at := range a.Refusals {
		if other != project && near(at, now) {
			a.count(project, other, func(n int) int { return min(n+1, often) })
		}
	}
	for other, at := range a.Answers {
		if other != project && near(at, now) {
			a.count(project, other, func(int) int { return 0 })
		}
	}
	a.Refusals[project] = now
	delete(a.Answers, project)
}

// Served notes that a project was served that was tried.
func (a *Accounts) Served(project string, now scheduler.Instant) {
	for other, at := range a.Refusals {
		if other != project && near(at, now) {
			a.count(project, other, func(int) int { return 0 })
		}
	}
	a.Answers[project] = now
	delete(a.Refusals, project)
}

// near reports whether two instants are near each other.
func near(a, b scheduler.Instant) bool { return max(a, b).Sub(min(a, b)) <= within }

// count changes how often two projects were refused together.
func (a *Accounts) count(x, y string, change func(int) int) {
	x, y = min(x, y), max(x, y)
	if n := change(a.Together[x][y]); n > 0 {
		if a.Together[x] == nil {
			a.Together[x] = make(map[string]int)
		}
		a.Together[x][y] = n
	} else if delete(a.Together[x], y); len(a.Together[x]) == 0 {
		delete(a.Together, x)
	}
}
