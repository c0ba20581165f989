package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
)

// Spending is limited per billing account: what refuses one of its projects will refuse
// the others. Which are billed together is declared with the keys, or learned from their
// being refused together.

const (
	// spendRecord is the name of the record of who was refused for spending.
	spendRecord = "spend"
	// togetherWithin is how far apart two projects are refused at most that are refused
	// together, and togetherOften how often they are until they wait together: accounts
	// of one size under even load may come to their limits at the same time once.
	togetherWithin = 10 * time.Second
	togetherOften  = 2
)

// spending is what the record holds.
type spending struct {
	// Refused is when a project was refused last, Served when one that was tried after
	// that was served.
	Refused map[string]scheduler.Instant `json:"refused,omitempty"`
	Served  map[string]scheduler.Instant `json:"served,omitempty"`
	// Together is how often two projects were refused together, the first in the order of
	// names first.
	Together map[string]map[string]int `json:"together,omitempty"`
}

// near reports whether two instants are known and near each other.
func near(a, b scheduler.Instant) bool {
	return a != 0 && b != 0 && max(a, b).Sub(min(a, b)) <= togetherWithin
}

// count changes how often two projects were refused together.
func (s *spending) count(a, b string, change func(int) int) {
	a, b = min(a, b), max(a, b)
	if n := change(s.Together[a][b]); n > 0 {
		if s.Together[a] == nil {
			s.Together[a] = make(map[string]int)
		}
		s.Together[a][b] = n
	} else if delete(s.Together[a], b); len(s.Together[a]) == 0 {
		delete(s.Together, a)
	}
}

// with returns the projects that wait with one.
func (s *spending) with(project string) (list []string) {
	for a, more := range s.Together {
		for b, n := range more {
			switch {
			case n < togetherOften:
			case a == project:
				list = append(list, b)
			case b == project:
				list = append(list, a)
			}
		}
	}
	return list
}

// refused notes that a project was refused. One that was served at that time, when both
// were tried, isn't billed with it.
func (s *spending) refused(project string, now scheduler.Instant) {
	for other, at := range s.Refused {
		if other != project && near(at, now) {
			s.count(project, other, func(n int) int { return min(n+1, togetherOften) })
		}
	}
	for other, at := range s.Served {
		if other != project && near(at, now) {
			s.count(project, other, func(int) int { return 0 })
		}
	}
	s.Refused[project] = now
	delete(s.Served, project)
}

// served notes that a project was served that was tried.
func (s *spending) served(project string, now scheduler.Instant) {
	for other, at := range s.Refused {
		if other != project && near(at, now) {
			s.count(project, other, func(int) int { return 0 })
		}
	}
	s.Served[project] = now
	delete(s.Refused, project)
}

// updateSpending changes the record for the projects that there are, and returns it.
func (d *Dispatcher) updateSpending(ctx context.Context, change func(*spending)) (*spending, error) {
	p, err := d.Pool(ctx)
	if err != nil {
		return nil, err
	}
	gone := func(project string, _ scheduler.Instant) bool { return !p.Has(project) }
	s := new(spending)
	_, err = d.admission.UpdateRecord(ctx, spendRecord, func(data []byte) ([]byte, error) {
		*s = spending{}
		if len(data) > 0 && json.Unmarshal(data, s) != nil {
			*s = spending{} // one that can't be read is replaced
		}
		s.init()
		maps.DeleteFunc(s.Refused, gone)
		maps.DeleteFunc(s.Served, gone)
		change(s)
		return json.Marshal(s)
	})
	if err != nil {
		return nil, fmt.Errorf("record of spending: %w", err)
	}
	return s, nil
}

func (s *spending) init() {
	for _, m := range []*map[string]scheduler.Instant{&s.Refused, &s.Served} {
		if *m == nil {
			*m = make(map[string]scheduler.Instant)
		}
	}
	if s.Together == nil {
		s.Together = make(map[string]map[string]int)
	}
}

// overspent has every project left alone that is billed with the one that was refused.
func (r *dispatch) overspent(ctx context.Context, grant *admission.Grant, block scheduler.Block) error {
	wait := scheduler.RecordRefusal{Model: scheduler.OfProject, Block: block, Admitted: grant.Reservation.Start}
	result, err := r.d.admission.Apply(ctx, grant.Project, wait)
	if err != nil || !result.Changed {
		return err // it was under way when the project began to wait
	}
	p, err := r.d.Pool(ctx)
	if err != nil {
		return err
	}
	var problems []error
	others := p.billedWith(grant.Project)
	if others == nil {
		s, err := r.d.updateSpending(ctx, func(s *spending) { s.refused(grant.Project, r.d.admission.Now()) })
		if err != nil {
			problems = append(problems, err)
		} else {
			others = slices.DeleteFunc(s.with(grant.Project), func(project string) bool { return !p.Has(project) })
			slices.Sort(others)
		}
	}
	for _, project := range others {
		_, err := r.d.admission.Apply(ctx, project, wait)
		problems = append(problems, err)
	}
	if len(others) > 0 {
		r.log.Warn("billing account waits", "project", grant.Project, "with", others)
	}
	return errors.Join(problems...)
}

// paysAgain notes that a project was served that was tried after it had spent too fast.
func (r *dispatch) paysAgain(ctx context.Context, grant *admission.Grant) {
	p, err := r.d.Pool(ctx)
	if err != nil || p.billedWith(grant.Project) != nil {
		return // it is declared
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if _, err := r.d.updateSpending(ctx, func(s *spending) { s.served(grant.Project, r.d.admission.Now()) }); err != nil {
		r.log.Warn("not noted who pays", "project", grant.Project, "error", err)
	}
}
