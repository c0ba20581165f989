package journal

import (
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
)

// A Request describes one request of any kind, whatever became of it. It holds
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

// A requestLog keeps the latest requests in a ring.
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

// copy returns the requests, the oldest first.
func (l *requestLog) copy() []Request {
	out := make([]Request, 0, len(l.list))
	for i := range l.list {
		out = append(out, *l.list[(l.next+i)%len(l.list)])
	}
	return out
}
