package storetest

import (
	"fmt"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// A grant is a request that a Store admitted.
type grant struct {
	project string
	id      uint64
	start   scheduler.Instant
	tokens  int64
}

// overbooked looks for a limit that the grants of a project exceed, by brute
// force and with none of the scheduler's code: at the instant of every grant it
// adds up the minute before, and it counts every Pacific day.
func overbooked(grants []grant, l scheduler.Limits) error {
	pacific, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		return err
	}
	ids := make(map[uint64]bool)
	days := make(map[string]int64)
	for i, g := range grants {
		if g.project != grants[0].project {
			return fmt.Errorf("grants of %s and of %s", g.project, grants[0].project)
		}
		if ids[g.id] {
			return fmt.Errorf("grant %d: reservation %d twice", i, g.id)
		}
		ids[g.id] = true
		day := time.UnixMilli(int64(g.start)).In(pacific).Format(time.DateOnly)
		if days[day]++; days[day] > l.RPD {
			return fmt.Errorf("%s: more than %d requests", day, l.RPD)
		}
	}
	sorted := slices.Clone(grants)
	slices.SortFunc(sorted, func(a, b grant) int { return int(a.start - b.start) })
	for i, g := range sorted {
		var n, tokens int64
		for j := i; j >= 0 && sorted[j].start > g.start-60_000; j-- {
			n++
			tokens += min(sorted[j].tokens, l.TPM)
		}
		if n > l.RPM || tokens > l.TPM {
			return fmt.Errorf("minute before %d: %d requests of %d, %d tokens of %d", g.start, n, l.RPM, tokens, l.TPM)
		}
	}
	return nil
}
