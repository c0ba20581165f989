package geminisim

import (
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
)

// Request describes one request of any kind, whatever became of it. It holds
// names only: no value of a header, of a query parameter or of a key.
type Request struct {
	At          time.Time // UTC: its body had been read; of an upload, its header
	Method      string
	Path        string
	Query       []string                 // names of the query's parameters, sorted
	Headers     []string                 // names of the header fields as received, canonical, sorted
	Credentials []credentials.Credential // every one that was found, in the order of the forms
	Project     string                   // that the credential belongs to, or that an upload was begun by
	Key         string                   // fingerprint of the only credential; empty with several or none
	Status      int                      // HTTP status; zero until there is one, and when none was sent
	Done        bool                     // the server is through with it
	Cancelled   bool                     // the client hung up before everything had been sent
}

// requestLog keeps the latest requests in a ring.
type requestLog struct {
	limit int
	list  []*Request
	next  int // that is overwritten next, once the list is full
}

func (l *requestLog) add(r *Request) {
	switch {
	case l.limit < 0:
	case len(l.list) < l.limit:
		l.list = append(l.list, r)
	default:
		l.list[l.next] = r
		l.next = (l.next + 1) % l.limit
	}
}

// RequestLog returns the latest requests (see [Config.RequestLog]), of every
// kind and with every outcome, in the order in which they were entered: when
// their body had been read, or been broken off. Requests under way are among
// them, with Done false.
func (s *Server) RequestLog() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, 0, len(s.requests.list))
	for i := range s.requests.list {
		out = append(out, *s.requests.list[(s.requests.next+i)%len(s.requests.list)])
	}
	return out
}

// enter puts the request in the log, with what is known by now.
func (c *call) enter() {
	if c.s.requests.limit < 0 {
		return
	}
	seen := &Request{
		At:      c.arrived.Round(0).UTC(),
		Method:  c.r.Method,
		Path:    c.r.URL.Path,
		Headers: names(c.r.Header),
		Project: c.who.Project,
	}
	if c.r.URL.RawQuery != "" {
		seen.Query = names(c.r.URL.Query())
	}
	for _, p := range c.credentials {
		seen.Credentials = append(seen.Credentials, p.Credential)
	}
	if len(c.credentials) == 1 {
		seen.Key = c.credentials[0].Fingerprint
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.seen = seen
	c.s.requests.add(seen)
}

func names(values map[string][]string) []string {
	list := make([]string, 0, len(values))
	for name := range values {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// finish notes how the request ended. An answer that was sent to its end can't
// have been cancelled, although its client may be gone by now.
func (c *call) finish() {
	cancelled := c.hungUp || !c.answered && c.r.Context().Err() != nil
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if cancelled {
		c.s.stats.Cancelled++
	}
	if c.seen != nil {
		c.seen.Status, c.seen.Done, c.seen.Cancelled = c.status, true, cancelled
	}
}
