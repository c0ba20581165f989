package live

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Config is what a Service works with. All of it is required.
type Config struct {
	Now func() time.Time
	// Project returns whose a key is, or the text that refuses it.
	Project func(key string) (project, refusal string)
	// Model reports whether there is a model of that name for sessions.
	Model func(name string) bool
	// Answer is what a model says to a text, and Count how many tokens a text has.
	Answer func(text string) string
	Count  func(text string) int64
	// Order returns the messages that a text orders; nil: it is none.
	Order func(text string) *Order
	// Beside says what the answer to a prompt costs beside its text, and how many of the prompt's
	// tokens a cache holds.
	Beside func(prompt string) Usage
	// Bill is told what each turn costs.
	Bill func(project, model string, u Usage)
}

// An Order is a number of messages that are sent one by one.
type Order struct {
	Messages int64
	Every    time.Duration
	Text     func(number int64, at time.Time) string
}

// A Failure is how the next session fails.
type Failure struct {
	// Status refuses the upgrade with an HTTP status; 0: it doesn't.
	Status int
	// Code and Reason close the session, once After turns have been answered, or at its
	// setup. Code 0 breaks the connection without a close.
	Code   int
	Reason string
	After  int
	// Silent says nothing at all from then on instead.
	Silent bool
}

// A Service is the Live API. It is safe for concurrent use.
type Service struct {
	cfg Config

	mu       sync.Mutex
	most     map[place]int // sessions at a time
	longest  time.Duration // of a session; 0: any
	goAway   time.Duration // before that
	open     map[*session]bool
	peak     map[place]int
	opened   int
	failures []Failure
	tokens   map[string]*token
	handles  map[string]*conversation
	setups   []string // the models that were asked for, in order
}

type place struct{ project, model string }

// New returns a service.
func New(cfg Config) *Service {
	return &Service{
		cfg: cfg, most: make(map[place]int), open: make(map[*session]bool), peak: make(map[place]int),
		tokens: make(map[string]*token), handles: make(map[string]*conversation),
	}
}

// SetSessions says how many sessions of a model a project may have at a time.
func (s *Service) SetSessions(project, model string, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most[place{project, model}] = most
}

// SetLongest says how long a session lasts at most, and how long before its end it is told.
func (s *Service) SetLongest(longest, goAway time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.longest, s.goAway = longest, goAway
}

// FailNext has the next sessions fail, one by each.
func (s *Service) FailNext(f ...Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, f...)
}

// Open returns how many sessions a project has of a model, Peak how many it had at most at a
// time, and Opened how many were set up in all.
func (s *Service) Open(project, model string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count(place{project, model})
}

// Peak is described at Open.
func (s *Service) Peak(project, model string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peak[place{project, model}]
}

// Opened is described at Open.
func (s *Service) Opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// Setups returns the models of all setups, as they were named.
func (s *Service) Setups() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.setups...)
}

const (
	pathPrefix  = "/ws/google.ai.generativelanguage."
	constrained = "BidiGenerateContentConstrained"
)

// IsPath reports whether a path is a session's, and by which version and method.
func IsPath(path string) (version, method string, ok bool) {
	rest, ok := strings.CutPrefix(path, pathPrefix)
	if !ok {
		return "", "", false
	}
	version, method, ok = strings.Cut(rest, ".GenerativeService.")
	return version, method, ok && (version == "v1beta" || version == "v1" || version == "v1alpha") && (method == "BidiGenerateContent" || method == constrained)
}

// ServeHTTP implements [http.Handler] for the paths of sessions.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	version, method, ok := IsPath(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	who := credentialsOf(r)
	failure := s.nextFailure()
	switch {
	case failure != nil && failure.Status != 0:
		http.Error(w, http.StatusText(failure.Status), failure.Status)
		return
	case who.key == "" && who.token == "":
		http.Error(w, "Method doesn't allow unregistered callers (callers without established identity).", http.StatusForbidden)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // it serves pages too, as the real one
	if err != nil {
		return
	}
	conn.SetReadLimit(maxMessage)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	x := &session{s: s, conn: conn, ctx: ctx, version: version, constrained: method == constrained, who: who, failure: failure}
	x.serve()
}

// maxMessage bounds a message of a client's, in bytes. What the real service takes isn't
// established.
const maxMessage = 32 << 20

func (s *Service) nextFailure() *Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failures) == 0 {
		return nil
	}
	f := s.failures[0]
	s.failures = s.failures[1:]
	return &f
}

// credentials are those of a request.
type credentials struct {
	key, token string
	number     int
}

func credentialsOf(r *http.Request) (c credentials) {
	for _, v := range append(r.Header.Values("X-Goog-Api-Key"), r.URL.Query()["key"]...) {
		c.key, c.number = v, c.number+1
	}
	for _, v := range r.Header.Values("Authorization") {
		c.token, c.number = strings.TrimPrefix(v, "Token "), c.number+1
	}
	for _, v := range r.URL.Query()["access_token"] {
		c.token, c.number = v, c.number+1
	}
	return c
}
