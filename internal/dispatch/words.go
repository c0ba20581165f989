package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// What upstream said of a feature is told to later callers too, by any instance. So it is
// kept in a record, which is written when upstream says something else, and read by an
// instance that is to tell what it didn't hear.

const (
	// wordsRecord is the name of the record of what upstream said.
	wordsRecord = "said"
	// maxWords bounds of how many features what was said is kept, and maxWordsBody how
	// many bytes.
	maxWords     = 32
	maxWordsBody = 4 << 10
	// listenEvery is how often an instance reads the record at most.
	listenEvery = 10 * time.Second
)

// A saying is what upstream said of a feature, as others may read it. It holds no key: the
// error has been redacted.
type saying struct {
	Code    int               `json:"code"`
	Status  string            `json:"status,omitempty"`
	Message string            `json:"message,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
	At      scheduler.Instant `json:"at"`
}

// keepWords remembers what upstream said of a feature, by the name of its calendar.
func (d *Dispatcher) keepWords(ctx context.Context, on string, e *upstream.Error) error {
	known, _ := d.lastWords.Get(on)
	e = e.ForOthers()
	d.lastWords.Put(on, e)
	if known != nil && bytes.Equal(known.Body, e.Body) || len(e.Body) > maxWordsBody {
		return nil
	}
	_, err := d.admission.UpdateRecord(ctx, wordsRecord, func(data []byte) ([]byte, error) {
		all := entries[saying](data)
		all[on] = saying{Code: e.HTTPStatus, Status: e.Status, Message: e.Message, Body: e.Body, At: d.admission.Now()}
		for len(all) > maxWords {
			oldest := on
			for name, x := range all {
				if x.At < all[oldest].At {
					oldest = name
				}
			}
			delete(all, oldest)
		}
		return json.Marshal(all)
	})
	if err != nil {
		return fmt.Errorf("record of what upstream said: %w", err)
	}
	return nil
}

// wordsOf returns what upstream said of a feature; nil: it isn't known.
func (d *Dispatcher) wordsOf(ctx context.Context, on string) *upstream.Error {
	if e, ok := d.lastWords.Get(on); ok {
		return e
	}
	if elapsed, _ := d.listened.Elapsed(d.admission.Now(), listenEvery); !elapsed {
		return nil
	}
	data, err := d.admission.Record(ctx, wordsRecord)
	if err != nil && !errors.Is(err, context.Canceled) {
		d.logger(ctx).Warn("what upstream said isn't known", "error", err)
	}
	for name, x := range entries[saying](data) {
		if _, ok := d.lastWords.Get(name); !ok {
			said := &upstream.Error{Class: upstream.ClassForeignQuota, HTTPStatus: x.Code, Status: x.Status, Message: x.Message, Body: x.Body}
			d.lastWords.Put(name, said.ForOthers()) // builds before this one kept all
		}
	}
	e, _ := d.lastWords.Get(on)
	return e
}

// entries returns what a record holds by name; one that can't be read is replaced.
func entries[V any](data []byte) map[string]V {
	all := make(map[string]V)
	if len(data) > 0 && json.Unmarshal(data, &all) != nil {
		return make(map[string]V)
	}
	return all
}
