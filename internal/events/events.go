package events

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Kept is how many events are kept; the oldest go first.
const Kept = 100

// maxText bounds, in bytes, what an event says.
const maxText = 300

// Fluxgate is who changed what it found out by itself.
const Fluxgate = "fluxgate"

// An Event is one change.
type Event struct {
	At   time.Time `json:"at"`
	Who  string    `json:"who"`  // public name of the caller, or Fluxgate
	What string    `json:"what"` // never a key, a token or anything of a request's content
}

// Records is the part of a store that a Log is kept in.
type Records interface {
	Record(ctx context.Context, name string) ([]byte, error)
	UpdateRecord(ctx context.Context, name string, change func(data []byte) ([]byte, error)) ([]byte, error)
}

// record is the name of the record that holds the events, oldest first.
const record = "events"

// A Log is the list of events.
type Log struct{ records Records }

// NewLog returns the log that is kept in the records of a store.
func NewLog(r Records) *Log { return &Log{r} }

// Add appends events.
func (l *Log) Add(ctx context.Context, events ...Event) error {
	for i := range events {
		events[i].At = events[i].At.UTC().Truncate(time.Millisecond)
		if text := events[i].What; len(text) > maxText {
			events[i].What = strings.ToValidUTF8(text[:maxText], "")
		}
	}
	_, err := l.records.UpdateRecord(ctx, record, func(data []byte) ([]byte, error) {
		// What can't be read is not worth keeping: events are for people to look at.
		kept, _ := decode(data)
		kept = append(kept, events...)
		return json.Marshal(kept[max(0, len(kept)-Kept):])
	})
	if err != nil {
		return fmt.Errorf("add event: %w", err)
	}
	return nil
}

// Last returns the events, newest first.
func (l *Log) Last(ctx context.Context) ([]Event, error) {
	data, err := l.records.Record(ctx, record)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	all, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	newest := make([]Event, len(all))
	for i, e := range all {
		newest[len(all)-1-i] = e
	}
	return newest, nil
}

func decode(data []byte) (all []Event, err error) {
	if len(data) > 0 {
		err = json.Unmarshal(data, &all)
	}
	return all, err
}
