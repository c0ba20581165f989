package journal

import (
	"slices"
	"time"
)

// An Entry describes one generate or embed request.
type Entry struct {
	At      time.Time // arrival, UTC: the instant its body had been read
	Project string    // empty when the key is unknown
	Model   string    // resolved; as requested when unknown
	Key     string    // fingerprint (see [credentials.Fingerprint]), empty without a key
	Tokens  int64     // input tokens; zero when refused before they were counted
	Status  int       // HTTP status; zero when none was sent (reset, hang)

	// Reason is empty for a request that was served. Otherwise "rpm", "tpm"
	// and "rpd" joined by "+" for a refusal by those limits, "no_quota", the
	// name of an injected failure, or the reason or status of the error body.
	Reason string

	// Charged is how many requests were counted against RPM and RPD: one, the
	// number of texts for embeddings, or zero for a request that was refused.
	Charged int64
}

// An entryLog is an append-only list in chunks, so that growth never copies.
type entryLog struct {
	chunks [][]Entry
	n      int
}

const chunkSize = 4096

func (l *entryLog) add(e Entry) {
	if l.n%chunkSize == 0 {
		l.chunks = append(l.chunks, make([]Entry, 0, chunkSize))
	}
	last := &l.chunks[len(l.chunks)-1]
	*last = append(*last, e)
	l.n++
}

// copy returns the entries; ordered by arrival.
func (l *entryLog) copy() []Entry {
	all := make([]Entry, 0, l.n)
	for _, c := range l.chunks {
		all = append(all, c...)
	}
	byArrival := func(a, b Entry) int { return a.At.Compare(b.At) }
	if !slices.IsSortedFunc(all, byArrival) {
		slices.SortStableFunc(all, byArrival)
	}
	return all
}
