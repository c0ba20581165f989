package merge

import (
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// Follows reports whether a state can have come of an earlier one by commits. Nothing
// that only grows may be less: the instant of the last change, ranks, moved bookings,
// the writes that are counted of a day, and the number of every writer. A writer is
// missing only when so many others have written since that there is no place for it. Of
// a document that so many wrote to after it was made anew, more often than the one that
// was lost, it can't be told.
func Follows(later, earlier *scheduler.Project) bool {
	switch {
	case earlier == nil:
		return true
	case later == nil,
		later.Latest < earlier.Latest, later.NextRank < earlier.NextRank, later.Moved < earlier.Moved,
		later.Totals.Day == earlier.Totals.Day && later.Totals.Writes < earlier.Totals.Writes:
		return false
	}
	stayed := false                     // a writer that has been there for longer, and hasn't written since
	for _, w := range earlier.Writers { // in the order in which they wrote last
		seq, known := later.WroteLast(w.Instance), knows(later, w.Instance)
		if seq < w.Seq && (known || stayed || len(later.Writers) < scheduler.MaxWriters) {
			return false
		}
		stayed = stayed || known && seq == w.Seq
	}
	return true
}

func knows(p *scheduler.Project, instance uint32) bool {
	return p != nil && slices.ContainsFunc(p.Writers, func(w scheduler.Writer) bool { return w.Instance == instance })
}
