package storage

import (
	"context"
	"fmt"
	"net/url"
	"reflect"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/clock"
	"fluxgate.dev/fluxgate/storage/internal/codec"
	"fluxgate.dev/fluxgate/storage/internal/connection"
)

// stateField holds the packed state of a project. It should be exempt from
// indexing: it is never queried.
const stateField = "state"

// sectionsField holds what builds before it can't read, beside the state. It
// should be exempt from indexing too.
const sectionsField = "sections"

// NewFirestore returns a Store over Cloud Firestore. All documents lie in the
// collection of that name: one per project, named "project-" and its ID, one
// named "control", and records, named "record-" and their names. The client stays
// the caller's to close; OpenFirestore makes its own, and others when one goes silent.
func NewFirestore(client *firestore.Client, collection string, opts Options) *Grouped {
	return overFirestore(connection.Of(client), collection, opts)
}

// OpenFirestore returns a Store over Cloud Firestore as NewFirestore does, by a client
// that it has dial make, with the options that it gives, and closes with the store. A
// client whose connection has gone silent is replaced by another within seconds, so that
// the request that found out is often answered all the same (package connection).
func OpenFirestore(dial func(...option.ClientOption) (*firestore.Client, error), collection string, opts Options) (*Grouped, error) {
	opts = opts.withDefaults()
	conn, err := connection.Open(dial, opts.CommitTimeout/2, opts.Logger)
	if err != nil {
		return nil, err
	}
	return overFirestore(conn, collection, opts), nil
}

func overFirestore(conn *connection.Connection, collection string, opts Options) *Grouped {
	return newGrouped(&firestoreDocuments{conn: conn, collection: collection, clock: clock.Clock{Local: clock.Local}}, opts)
}

type firestoreDocuments struct {
	conn       *connection.Connection
	collection string
	clock      clock.Clock
}

func (f *firestoreDocuments) close() { f.conn.Close() }

// named returns the document of a name.
func (f *firestoreDocuments) named(client *firestore.Client, name string) *firestore.DocumentRef {
	return client.Collection(f.collection).Doc(name)
}

func (f *firestoreDocuments) project(client *firestore.Client, id string) *firestore.DocumentRef {
	// An ID is whatever the operator declares; a slash would end the name.
	return f.named(client, "project-"+url.PathEscape(id))
}

func (f *firestoreDocuments) now() scheduler.Instant { return f.clock.Now() }

func (f *firestoreDocuments) between() (earliest, latest scheduler.Instant) {
	return f.clock.Between()
}

func (f *firestoreDocuments) steady() bool { return f.clock.Steady() }

// get reads with one batched call, outside any transaction.
func (f *firestoreDocuments) get(ctx context.Context, ids []string) ([]document, error) {
	before := clock.Local()
	snaps, err := connection.Call(ctx, f.conn, func(client *firestore.Client) ([]*firestore.DocumentSnapshot, error) {
		refs := make([]*firestore.DocumentRef, len(ids))
		for i, id := range ids {
			refs[i] = f.project(client, id)
		}
		return client.GetAll(ctx, refs)
	})
	if err != nil {
		return nil, err
	}
	after := clock.Local()
	docs := make([]document, len(snaps))
	for i, snap := range snaps {
		f.clock.Observe(before, after, snap.ReadTime)
		docs[i].read = snap.ReadTime
		if !snap.Exists() {
			continue
		}
		docs[i].version = snap.UpdateTime
		fields, ok := snap.Data(), false
		if docs[i].State, ok = fields[stateField].([]byte); !ok {
			docs[i].invalid = fmt.Errorf("document %s has no field %q of bytes", snap.Ref.ID, stateField)
		}
		docs[i].Sections, _ = fields[sectionsField].([]byte) // of another type it is as good as none
	}
	return docs, nil
}

// put is an optimistic transaction: it reads nothing, so it takes no lock, and
// is conditional on the update time of the version the data was computed from.
// Two transactions that read a document first deadlock on upgrading their locks.
func (f *firestoreDocuments) put(ctx context.Context, id string, doc codec.Document, base version) (version, error) {
	fields := []firestore.Update{{Path: stateField, Value: doc.State}}
	if doc.Sections != nil {
		fields = append(fields, firestore.Update{Path: sectionsField, Value: doc.Sections})
	}
	return connection.Call(ctx, f.conn, func(client *firestore.Client) (version, error) {
		return f.transact(ctx, client, f.project(client, id), fields, base)
	})
}

func (f *firestoreDocuments) transact(ctx context.Context, client *firestore.Client, doc *firestore.DocumentRef, fields []firestore.Update, base version) (version, error) {
	var reply firestore.CommitResponse
	before := clock.Local()
	err := client.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		before = clock.Local()
		if base.IsZero() {
			return tx.Create(doc, values(fields))
		}
		return tx.Update(doc, fields, firestore.LastUpdateTime(base))
	}, firestore.MaxAttempts(1), firestore.WithCommitResponseTo(&reply))
	if err != nil {
		return version{}, err
	}
	f.clock.Observe(before, clock.Local(), reply.CommitTime())
	results, err := reply.WriteResults()
	if err != nil {
		return version{}, fmt.Errorf("commit reply: %w", err)
	}
	if len(results) != 1 {
		return version{}, fmt.Errorf("commit reply: %d results for one write", len(results))
	}
	return results[0].UpdateTime, nil
}

// controlName names the control document.
const controlName = "control"

func (f *firestoreDocuments) control(ctx context.Context) (c Control, at version, err error) {
	before := clock.Local()
	snap, err := connection.Call(ctx, f.conn, func(client *firestore.Client) (*firestore.DocumentSnapshot, error) {
		return f.named(client, controlName).Get(ctx)
	})
	if snap != nil {
		f.clock.Observe(before, clock.Local(), snap.ReadTime)
	}
	switch {
	case status.Code(err) == codes.NotFound:
		return c, at, nil
	case err != nil:
		return c, at, err
	}
	if err := snap.DataTo(&c); err != nil {
		return Control{}, at, fmt.Errorf("control document: %w", err)
	}
	return c, snap.UpdateTime, nil
}

// putControl leaves fields as they are that this build doesn't know.
func (f *firestoreDocuments) putControl(ctx context.Context, c Control, base version) error {
	var fields []firestore.Update
	for field, value := range reflect.ValueOf(c).Fields() {
		fields = append(fields, firestore.Update{Path: field.Tag.Get("firestore"), Value: value.Interface()})
	}
	return f.putNamed(ctx, controlName, fields, base)
}

// dataField holds what a record holds. It should be exempt from indexing.
const dataField = "data"

func recordDocument(name string) string { return "record-" + name }

func (f *firestoreDocuments) record(ctx context.Context, name string) ([]byte, version, error) {
	snap, err := connection.Call(ctx, f.conn, func(client *firestore.Client) (*firestore.DocumentSnapshot, error) {
		return f.named(client, recordDocument(name)).Get(ctx)
	})
	switch {
	case status.Code(err) == codes.NotFound:
		return nil, version{}, nil
	case err != nil:
		return nil, version{}, err
	}
	data, ok := snap.Data()[dataField].([]byte)
	if !ok {
		return nil, version{}, fmt.Errorf("document %s has no field %q of bytes", snap.Ref.ID, dataField)
	}
	return data, snap.UpdateTime, nil
}

func (f *firestoreDocuments) putRecord(ctx context.Context, name string, data []byte, base version) error {
	return f.putNamed(ctx, recordDocument(name), []firestore.Update{{Path: dataField, Value: data}}, base)
}

// putNamed takes no lock either: a dozen instances that start together and want the same
// lease would deadlock on upgrading theirs.
func (f *firestoreDocuments) putNamed(ctx context.Context, name string, fields []firestore.Update, base version) error {
	_, err := connection.Call(ctx, f.conn, func(client *firestore.Client) (*firestore.WriteResult, error) {
		if base.IsZero() {
			return f.named(client, name).Create(ctx, values(fields))
		}
		return f.named(client, name).Update(ctx, fields, firestore.LastUpdateTime(base))
	})
	switch status.Code(err) {
	case codes.AlreadyExists, codes.FailedPrecondition, codes.NotFound, codes.Aborted:
		return errRace
	}
	return err
}

// values are fields of a document that is made.
func values(fields []firestore.Update) map[string]any {
	all := make(map[string]any, len(fields))
	for _, x := range fields {
		all[x.Path] = x.Value
	}
	return all
}
