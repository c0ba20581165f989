package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
)

// MaxRecord is the most bytes that a record holds. Firestore takes 1 MiB a
// document.
const MaxRecord = 512 << 10

// recordName is what records may be called: names that no database minds.
var recordName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// ErrRecord means that a record can't be kept: its name or its size is wrong.
var ErrRecord = errors.New("unusable record")

func checkRecordName(name string) error {
	if !recordName.MatchString(name) {
		return fmt.Errorf("%w: name %q", ErrRecord, name)
	}
	return nil
}

// changeRecord applies a change to what a record holds, and reports whether
// anything is to be written.
func changeRecord(data []byte, change func([]byte) ([]byte, error)) (next []byte, changed bool, err error) {
	if next, err = change(bytes.Clone(data)); err != nil {
		return nil, false, &refusal{err}
	}
	if len(next) > MaxRecord {
		return nil, false, &refusal{fmt.Errorf("%w: %d bytes, at most %d", ErrRecord, len(next), MaxRecord)}
	}
	return next, !bytes.Equal(next, data), nil
}

// Record implements Store.
func (g *Grouped) Record(ctx context.Context, name string) ([]byte, error) {
	if err := checkRecordName(name); err != nil {
		return nil, err
	}
	if g.closing.Load() {
		return nil, ErrClosed
	}
	limited, cancel := context.WithTimeout(ctx, g.readTimeout())
	defer cancel()
	g.stats.control.Add(1)
	g.uncounted.reads.Add(1)
	data, _, err := g.docs.Record(limited, name)
	if err != nil {
		return nil, g.failed(ctx, "read record", err)
	}
	if data == nil && g.remembered(name) != nil {
		return g.UpdateRecord(ctx, name, func(data []byte) ([]byte, error) { return data, nil })
	}
	g.remember(name, data)
	return data, nil
}

// UpdateRecord implements Store.
func (g *Grouped) UpdateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error) {
	if err := checkRecordName(name); err != nil {
		return nil, err
	}
	if g.closing.Load() {
		return nil, ErrClosed
	}
	limited, cancel := context.WithTimeout(ctx, g.opts.GiveUp)
	defer cancel()
	var lost string
	data, err := update(limited, g, name, func(ctx context.Context) ([]byte, Version, error) {
		return g.docs.Record(ctx, name)
	}, func(data []byte) ([]byte, bool, error) {
		if lost = ""; data == nil {
			if data = g.remembered(name); data != nil {
				lost = fmt.Sprintf("the record %q was missing: it is written back as this instance knows it", name)
			}
		}
		next, changed, err := changeRecord(data, change)
		return next, changed || lost != "", err
	}, func(ctx context.Context, data []byte, base Version) error {
		return g.docs.PutRecord(ctx, name, data, base)
	})
	if err != nil {
		return nil, g.failed(ctx, "change record", err)
	}
	g.remember(name, data)
	g.notice(lost)
	return data, nil
}

// Record implements Store.
func (m *Memory) Record(ctx context.Context, name string) ([]byte, error) {
	if err := checkRecordName(name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	m.stats.Control++
	return bytes.Clone(m.records[name]), nil
}

// UpdateRecord implements Store.
func (m *Memory) UpdateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error) {
	if err := checkRecordName(name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	next, changed, err := changeRecord(m.records[name], change)
	if err != nil {
		return nil, unavailable("change record", err)
	}
	m.stats.Control++
	if changed {
		m.records[name] = bytes.Clone(next)
		m.stats.Control++
	}
	return next, nil
}
