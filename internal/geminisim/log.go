package geminisim

import (
	"log/slog"
	"slices"
	"time"
)

// Entry describes one generate or embed request.
type Entry struct {
	At      time.Time // arrival, UTC: the instant its body had been read
	Project string    // empty when the key is unknown
	Model   string    // resolved; as requested when unknown
	Key     string    // fingerprint (see [Fingerprint]), empty without a key
	Tokens  int64     // input tokens; zero when refused before they were counted
	Status  int       // HTTP status; zero when none was sent (reset, hang)

	// Reason is empty for a request that was served. Otherwise "rpm", "tpm"
	// and "rpd" joined by "+" for a refusal by those limits, "no_quota", the
	// name of an injected [Failure], or the reason or status of the error body.
	Reason string

	// Charged is how many requests were counted against RPM and RPD: one, the
	// number of texts for embeddings, or zero for a request that was refused.
	Charged int64
}

// Stats are totals since the start. A request that hit several limits is
// counted once in Refused and once under each of them.
type Stats struct {
	Accepted    int64 // served with status 200
	Refused     int64 // 429 by RPM, TPM or RPD
	RefusedRPM  int64
	RefusedTPM  int64
	RefusedRPD  int64
	OtherErrors int64 // every other failed generate or embed request, "limit: 0" included
	Counted     int64 // successful countTokens calls

	// Cancelled counts requests of any kind whose client hung up before the
	// answer had been sent, or before the request had: those of [Server.RequestLog]
	// with Cancelled, and counted above as well if they were admitted.
	Cancelled int64
}

// entryLog is an append-only list in chunks, so that growth never copies.
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

// Log returns a copy of every generate and embed request in order of arrival.
func (s *Server) Log() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.copy()
}

// Stats returns the totals so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Peak returns the most requests and the most input tokens that were charged
// in any trailing 60 s on a project and model, each on its own, recomputed from
// the log and so independent of the window in force. An empty project or model
// means the maximum over all of them, not their sum. A request larger than TPM
// counts with all its tokens, although it fills several minutes.
func (s *Server) Peak(project, model string) (requests, tokens int64) {
	if m := s.model(model); m != nil {
		model = m.resolved
	}
	type trailing struct {
		in               []Entry
		requests, tokens int64
	}
	buckets := make(map[bucketID]*trailing)
	for _, e := range s.Log() {
		if e.Charged == 0 || project != "" && e.Project != project || model != "" && e.Model != model {
			continue
		}
		t := buckets[bucketID{e.Project, e.Model}]
		if t == nil {
			t = &trailing{}
			buckets[bucketID{e.Project, e.Model}] = t
		}
		for len(t.in) > 0 && e.At.Sub(t.in[0].At) >= time.Minute {
			t.requests -= t.in[0].Charged
			t.tokens -= t.in[0].Tokens
			t.in = t.in[1:]
		}
		t.in = append(t.in, e)
		t.requests += e.Charged
		t.tokens += e.Tokens
		requests, tokens = max(requests, t.requests), max(tokens, t.tokens)
	}
	return requests, tokens
}

// record appends an entry and counts it. The caller holds s.mu.
func (s *Server) record(e Entry, refused []violation) {
	s.log.add(e)
	quotaHit := false
	for _, v := range refused {
		if v.limit == 0 {
			continue
		}
		quotaHit = true
		switch v.kind {
		case perMinuteRequests:
			s.stats.RefusedRPM++
		case perMinuteTokens:
			s.stats.RefusedTPM++
		case perDayRequests:
			s.stats.RefusedRPD++
		}
	}
	switch {
	case quotaHit:
		s.stats.Refused++
	case e.Status == 200:
		s.stats.Accepted++
	default:
		s.stats.OtherErrors++
	}
}

func (c *call) entry(at time.Time, code int, reason string, charged int64) Entry {
	return Entry{At: at.Round(0).UTC(), Project: c.who.Project, Model: c.model, Key: c.who.Fingerprint,
		Tokens: c.tokens, Status: code, Reason: reason, Charged: charged}
}

func (c *call) logRequest(code int, reason string) {
	c.s.logger.LogAttrs(c.r.Context(), slog.LevelDebug, "request",
		slog.String("path", c.r.URL.Path), slog.Int("status", code), slog.String("reason", reason),
		slog.String("project", c.who.Project), slog.String("key", c.who.Fingerprint),
		slog.String("model", c.model), slog.Int64("tokens", c.tokens))
}
