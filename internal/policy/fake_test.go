package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"fluxgate.dev/fluxgate/internal/upstream"
)

// fakeStore keeps one record for any number of keepers. Its transactions are slow, and run again when another one
// committed meanwhile, as those of a database are.
type fakeStore struct {
	latency time.Duration

	mu            sync.Mutex
	data          []byte
	version       int
	reads, writes int
	reruns        int
	again         bool // every transaction runs once more, on its own result: its reply was lost
	broken        error
}

func (s *fakeStore) load() ([]byte, int, error) {
	time.Sleep(s.latency)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return bytes.Clone(s.data), s.version, s.broken
}

func (s *fakeStore) Record(_ context.Context, name string) ([]byte, error) {
	if name != RecordName {
		return nil, fmt.Errorf("no record %q here", name)
	}
	data, _, err := s.load()
	return data, err
}

func (s *fakeStore) UpdateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error) {
	if name != RecordName {
		return nil, fmt.Errorf("no record %q here", name)
	}
	for first := true; ; {
		data, version, err := s.load()
		if err != nil {
			return nil, err
		}
		if data, err = change(data); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		time.Sleep(s.latency)
		if !s.commit(data, version) {
			continue
		}
		if first && s.again {
			first = false
			continue
		}
		return data, nil
	}
}

func (s *fakeStore) commit(data []byte, version int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version != version {
		s.reruns++
		return false
	}
	s.data, s.version, s.writes = bytes.Clone(data), version+1, s.writes+1
	return true
}

func (s *fakeStore) set(change func(*fakeStore)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// fakeGemini answers both requests, after latency.
type fakeGemini struct {
	latency time.Duration

	mu           sync.Mutex
	models       []upstream.Model
	text         string
	err, listErr error
	asks, lists  int
	last         upstream.Prompt
	of           []string // the models that the last question may go to
}

func (g *fakeGemini) ask(ctx context.Context, r upstream.Prompt, models []string) (*upstream.Reply, error) {
	g.mu.Lock()
	g.asks++
	g.last, g.of = r, models
	text, err, latency := g.text, g.err, g.latency
	g.mu.Unlock()
	select {
	case <-time.After(latency):
		return &upstream.Reply{Text: text, FinishReason: "STOP"}, err
	case <-ctx.Done():
		return nil, fmt.Errorf("gemini: canceled: %w", ctx.Err())
	}
}

func (g *fakeGemini) list(ctx context.Context) ([]upstream.Model, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lists++
	return g.models, errors.Join(g.listErr, ctx.Err())
}

func (g *fakeGemini) set(change func(*fakeGemini)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g)
}

func (g *fakeGemini) counts() (asks, lists int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asks, g.lists
}

// world is a store, a Gemini, and as many instances as are made.
type world struct {
	t      *testing.T
	store  *fakeStore
	gemini *fakeGemini
	logged *bytes.Buffer
	chain  []string
}

func newWorld(t *testing.T) *world {
	return &world{t: t,
		store:  &fakeStore{latency: 5 * time.Millisecond},
		gemini: &fakeGemini{latency: 2 * time.Second, models: summer2026(), text: answerOf(entry(pro, "2", "125000", "50"))},
		logged: &bytes.Buffer{},
	}
}

// instance returns a keeper as an instance of the service that has just started has it.
func (w *world) instance() *Keeper {
	return New(Options{
		Store: w.store, Ask: w.gemini.ask, List: w.gemini.list,
		Chain:  func(context.Context) []string { return w.chain },
		Logger: slog.New(slog.NewTextHandler(w.logged, nil)),
	})
}
