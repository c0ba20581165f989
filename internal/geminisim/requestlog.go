package geminisim

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// CredentialForm is a place in a request where a credential was found.
type CredentialForm string

// The forms of a credential.
const (
	FormAPIKeyHeader  CredentialForm = "x-goog-api-key" // the header of that name
	FormQuery         CredentialForm = "key"            // the query parameter of that name
	FormBearer        CredentialForm = "bearer"         // Authorization: Bearer
	FormAuthorization CredentialForm = "authorization"  // Authorization of another scheme
)

// Credential is one that a request carried, without its value.
type Credential struct {
	Form        CredentialForm
	Fingerprint string // see [Fingerprint]; of Basic, that of the password
}

// Request describes one request of any kind, whatever became of it. It holds
// names only: no value of a header, of a query parameter or of a key.
type Request struct {
	At          time.Time // UTC: its body had been read; of an upload, its header
	Method      string
	Path        string
	Query       []string     // names of the query's parameters, sorted
	Headers     []string     // names of the header fields as received, canonical, sorted
	Credentials []Credential // every one that was found, in the order of the forms
	Project     string       // that the credential belongs to, or that an upload was begun by
	Key         string       // fingerprint of the only credential; empty with several or none
	Status      int          // HTTP status; zero until there is one, and when none was sent
	Done        bool         // the server is through with it
	Cancelled   bool         // the client hung up before everything had been sent
}

// presented is a credential with its value, which goes no further.
type presented struct {
	Credential
	value string
}

// credentialsOf returns every credential of a request, wherever it is.
func credentialsOf(r *http.Request) (list []presented) {
	add := func(form CredentialForm, value string) {
		list = append(list, presented{Credential{form, Fingerprint(value)}, value})
	}
	for _, v := range r.Header.Values("x-goog-api-key") {
		add(FormAPIKeyHeader, v)
	}
	if r.URL.RawQuery != "" {
		for _, v := range r.URL.Query()["key"] {
			add(FormQuery, v)
		}
	}
	for _, v := range r.Header.Values("Authorization") {
		if token, ok := strings.CutPrefix(v, "Bearer "); ok {
			add(FormBearer, token)
		} else if _, password, ok := r.BasicAuth(); ok {
			add(FormAuthorization, password)
		} else {
			add(FormAuthorization, v)
		}
	}
	return list
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
		Project: c.who.project,
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
