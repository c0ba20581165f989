package journal

import (
	"maps"
	"sync"
	"time"
)

// Stats are totals since the start. A request that hit several limits is
// counted once in Refused and once under each of them.
type Stats struct {
	Accepted       int64 // served with status 200
	Refused        int64 // 429 by RPM, TPM, RPD or a feature's limit
	RefusedRPM     int64
	RefusedTPM     int64
	RefusedRPD     int64
	RefusedFeature int64 // by a quota of a feature
	OtherErrors    int64 // every other failed generate or embed request, "limit: 0" included
	Counted        int64 // successful countTokens calls

	// Cancelled counts requests of any kind whose client hung up before the
	// answer had been sent, or before the request had: those requests
	// with Cancelled, and counted above as well if they were admitted.
	Cancelled int64
}

// Hits are the limits that refused a request.
type Hits struct {
	RPM, TPM, RPD bool
	Feature       bool // of a feature, whichever
}

// A Journal is what a server has seen and done. It is safe for concurrent use.
type Journal struct {
	mu       sync.Mutex
	log      entryLog
	stats    Stats
	bills    map[BillKey]Bill
	requests requestLog
}

// New returns a journal that keeps so many of the latest requests; negative: none.
func New(requests int) *Journal {
	return &Journal{bills: make(map[BillKey]Bill), requests: requestLog{limit: requests}}
}

// Record appends an entry and counts it. A model without quota is no limit that was hit.
func (j *Journal) Record(e Entry, refused Hits) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.log.add(e)
	count := func(hit bool, n *int64) {
		if hit {
			*n++
		}
	}
	count(refused.RPM, &j.stats.RefusedRPM)
	count(refused.TPM, &j.stats.RefusedTPM)
	count(refused.RPD, &j.stats.RefusedRPD)
	count(refused.Feature, &j.stats.RefusedFeature)
	switch {
	case refused != Hits{}:
		j.stats.Refused++
	case e.Status == 200:
		j.stats.Accepted++
	default:
		j.stats.OtherErrors++
	}
}

// Counted notes a call of countTokens.
func (j *Journal) Counted() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Counted++
}

// AddBill puts what an answer cost on a bill.
func (j *Journal) AddBill(k BillKey, more Bill) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bills[k] = j.bills[k].plus(more)
}

// Keeps tells whether requests are kept at all.
func (j *Journal) Keeps() bool { return j.requests.limit >= 0 }

// Enter puts a request in the log, with what is known by now. Only Finish changes it from
// then on.
func (j *Journal) Enter(r *Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.requests.add(r)
}

// Finish notes how a request ended; nil: one that wasn't entered.
func (j *Journal) Finish(r *Request, status int, cancelled bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if cancelled {
		j.stats.Cancelled++
	}
	if r != nil {
		r.Status, r.Done, r.Cancelled = status, true, cancelled
	}
}

// Entries returns every generate and embed request in order of arrival.
func (j *Journal) Entries() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.log.copy()
}

// Totals returns the totals so far.
func (j *Journal) Totals() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stats
}

// Billed returns what every answer that was made since the start cost, added up.
func (j *Journal) Billed() map[BillKey]Bill {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.bills)
}

// Latest returns the requests that are kept, in the order in which they were entered.
func (j *Journal) Latest() []Request {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.requests.copy()
}

// Peak returns the most requests and the most input tokens that were charged
// in any trailing 60 s on a project and model, each on its own, recomputed from
// the log and so independent of the window in force. An empty project or model
// means the maximum over all of them, not their sum. A request larger than TPM
// counts with all its tokens, although it fills several minutes.
func (j *Journal) Peak(project, model string) (requests, tokens int64) {
	type place struct{ project, model string }
	type trailing struct {
		in               []Entry
		requests, tokens int64
	}
	minutes := make(map[place]*trailing)
	for _, e := range j.Entries() {
		if e.Charged == 0 || project != "" && e.Project != project || model != "" && e.Model != model {
			continue
		}
		t := minutes[place{e.Project, e.Model}]
		if t == nil {
			t = &trailing{}
			minutes[place{e.Project, e.Model}] = t
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
