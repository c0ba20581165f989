package storage

import (
	"context"
	"errors"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/codec"
)

// Documents are the database behind a Grouped store: documents of projects with
// versions, the control document, and records. They may be used by any number of
// goroutines.
type Documents interface {
	// Get reads project documents, in the order of ids. A missing one has the zero version.
	Get(ctx context.Context, ids []string) ([]Document, error)
	// Put writes a project document if it still has the given version, the
	// zero version meaning that it doesn't exist, and returns the new version.
	// A second field that is nil stays as it is, and so does whatever else the
	// document holds. After an error it is unknown whether it was written.
	Put(ctx context.Context, id string, fields Fields, base Version) (Version, error)
	// Control reads the control document, Record a record, nil if there is none. A
	// missing one has the zero version.
	Control(ctx context.Context) (Control, Version, error)
	Record(ctx context.Context, name string) ([]byte, Version, error)
	// PutControl and PutRecord write one if it still has the given version, else they
	// return ErrRace. After any other error it is unknown whether it was written.
	PutControl(ctx context.Context, c Control, base Version) error
	PutRecord(ctx context.Context, name string, data []byte, base Version) error
	// Now is the database's time.
	Now() scheduler.Instant
	// Between returns the instants between which that time is.
	Between() (earliest, latest scheduler.Instant)
	// Steady reports whether Now is to be believed. If not, an answer of the
	// database puts it right.
	Steady() bool
	// Close ends the connection, where it isn't somebody else's.
	Close()
}

// The errors that Documents tell apart, by errors.Is. Any other means that it is worth
// another try.
var (
	// ErrRace means that another instance changed the control document or a record first.
	ErrRace = errors.New("changed by another instance")
	// ErrDenied means that the database says that we may not: trying again can't help.
	ErrDenied = errors.New("denied by the database")
)

// A Version is the update time of a document. The zero version stands for a
// document that doesn't exist.
type Version = time.Time

// Fields are what is stored of a project.
type Fields = codec.Document

// A Document is a project's as it was read.
type Document struct {
	Fields
	Version Version
	Read    time.Time // the database's time at which it was like this
	Invalid error     // why it holds no state; nil: it does
}
