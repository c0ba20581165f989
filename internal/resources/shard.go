package resources

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// shards is how many records there are. It may not change: names lie by it.
const shards = 16

// shardOf returns in which of the records a name lies.
func shardOf(name string) int { return int(sha256.Sum256([]byte(name))[0]) % shards }

// Records is the part of a store that a Registry is kept in.
type Records interface {
	Record(ctx context.Context, name string) ([]byte, error)
	UpdateRecord(ctx context.Context, name string, change func(data []byte) ([]byte, error)) ([]byte, error)
}

// A shard is one of the records.
type shard struct {
	name    string
	records Records
	turn    chan struct{} // of who reads or writes: one at a time in this instance

	mu   sync.Mutex
	held *document // never changed; nil: not read yet
	at   time.Time // when the reading of held began
}

func newShard(prefix string, n int, records Records) *shard {
	return &shard{name: fmt.Sprintf("%s-%x", prefix, n), records: records, turn: make(chan struct{}, 1)}
}

// known returns the document if its reading began after an instant, else nil.
func (s *shard) known(after time.Time) *document {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil || !s.at.After(after) {
		return nil
	}
	return s.held
}

// keep notes what the record holds, as it was read from an instant on.
func (s *shard) keep(d *document, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.at = d, at
}

// take waits for its turn. Without an error the caller has to give it back.
func (s *shard) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *shard) giveBack() { <-s.turn }

// since returns the document as it was at an instant or later. Whoever asks while it is
// being read shares the next reading with all others who do.
func (s *shard) since(ctx context.Context, after time.Time, now int64) (*document, error) {
	if d := s.known(after); d != nil {
		return d, nil
	}
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.giveBack()
	if d := s.known(after); d != nil {
		return d, nil
	}
	began := time.Now()
	data, err := s.records.Record(ctx, s.name)
	if err != nil {
		return nil, err
	}
	d, err := decode(data, now)
	if err != nil {
		return nil, err
	}
	s.keep(d.indexed(), began)
	return d, nil
}

// change changes the record, and returns of whom how much had to be dropped.
func (s *shard) change(ctx context.Context, now int64, do func(entries map[place]entry)) (dropped map[string]int, err error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.giveBack()
	began := time.Now()
	var d *document
	_, err = s.records.UpdateRecord(ctx, s.name, func(data []byte) (out []byte, err error) {
		if d, err = decode(data, now); err != nil {
			return nil, err // it isn't written over: another build may read it
		}
		do(d.entries)
		out, dropped, err = d.encode(now)
		return out, err
	})
	if err != nil {
		return nil, err
	}
	s.keep(d.indexed(), began)
	return dropped, nil
}
