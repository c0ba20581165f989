package gcpfirestore

import (
	"context"
	"fmt"
	"net/url"
	"reflect"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore/internal/connection"
	"fluxgate.dev/fluxgate/storage/internal/clock"
)

// stateField holds the packed state of a project. It should be exempt from
// indexing: it is never queried.
const stateField = "state"

// sectionsField holds what builds before it can't read, beside the state. It
// should be exempt from indexing too.
const sectionsField = "sections"

func over(conn *connection.Connection, collection string) *documents {
	return &documents{conn: conn, collection: collection, clock: clock.Clock{Local: clock.Local}}
}

// documents are those of a Grouped store.
type documents struct {
	conn       *connection.Connection
	collection string
	clock      clock.Clock
}

var _ storage.Documents = (*documents)(nil)

func (f *documents) Close() { f.conn.Close() }

// named returns the document of a name.
func (f *documents) named(client *firestore.Client, name string) *firestore.DocumentRef {
	return client.Collection(f.collection).Doc(name)
}

func (f *documents) project(client *firestore.Client, id string) *firestore.DocumentRef {
	// An ID is whatever the operator declares; a slash would end the name.
	return f.named(client, "project-"+url.PathEscape(id))
}

func (f *documents) Now() scheduler.Instant { return f.clock.Now() }

func (f *documents) Between() (earliest, latest scheduler.Instant) {
	return f.clock.Between()
}

func (f *documents) Steady() bool { return f.clock.Steady() }

// Get reads with one batched call, outside any transaction.
func (f *documents) Get(ctx context.Context, ids []string) ([]storage.Document, error) {
	before := clock.Local()
	snaps, err := call(ctx, f, func(client *firestore.Client) ([]*firestore.DocumentSnapshot, error) {
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
	docs := make([]storage.Document, len(snaps))
	for i, snap := range snaps {
		f.clock.Observe(before, after, snap.ReadTime)
		docs[i].Read = snap.ReadTime
		if !snap.Exists() {
			continue
		}
		docs[i].Version = snap.UpdateTime
		fields, ok := snap.Data(), false
		if docs[i].State, ok = fields[stateField].([]byte); !ok {
			docs[i].Invalid = fmt.Errorf("document %s has no field %q of bytes", snap.Ref.ID, stateField)
		}
		docs[i].Sections, _ = fields[sectionsField].([]byte) // of another type it is as good as none
	}
	return docs, nil
}

// Put is an optimistic transaction: it reads nothing, so it takes no lock, and
// is conditional on the update time of the version the data was computed from.
// Two transactions that read a document first deadlock on upgrading their locks.
func (f *documents) Put(ctx context.Context, id string, doc storage.Fields, base storage.Version) (storage.Version, error) {
	fields := []firestore.Update{{Path: stateField, Value: doc.State}}
	if doc.Sections != nil {
		fields = append(fields, firestore.Update{Path: sectionsField, Value: doc.Sections})
	}
	return call(ctx, f, func(client *firestore.Client) (storage.Version, error) {
		return f.transact(ctx, client, f.project(client, id), fields, base)
	})
}

func (f *documents) transact(ctx context.Context, client *firestore.Client, doc *firestore.DocumentRef, fields []firestore.Update, base storage.Version) (storage.Version, error) {
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
		return storage.Version{}, err
	}
	f.clock.Observe(before, clock.Local(), reply.CommitTime())
	results, err := reply.WriteResults()
	if err != nil {
		return storage.Version{}, fmt.Errorf("commit reply: %w", err)
	}
	if len(results) != 1 {
		return storage.Version{}, fmt.Errorf("commit reply: %d results for one write", len(results))
	}
	return results[0].UpdateTime, nil
}

// controlName names the control document.
const controlName = "control"

func (f *documents) Control(ctx context.Context) (c storage.Control, at storage.Version, err error) {
	before := clock.Local()
	snap, err := call(ctx, f, func(client *firestore.Client) (*firestore.DocumentSnapshot, error) {
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
		return storage.Control{}, at, fmt.Errorf("control document: %w", err)
	}
	return c, snap.UpdateTime, nil
}

// PutControl leaves fields as they are that this build doesn't know.
func (f *documents) PutControl(ctx context.Context, c storage.Control, base storage.Version) error {
	var fields []firestore.Update
	for field, value := range reflect.ValueOf(c).Fields() {
		fields = append(fields, firestore.Update{Path: field.Tag.Get("firestore"), Value: value.Interface()})
	}
	return f.putNamed(ctx, controlName, fields, base)
}

// dataField holds what a record holds. It should be exempt from indexing.
const dataField = "data"

func recordDocument(name string) string { return "record-" + name }

func (f *documents) Record(ctx context.Context, name string) ([]byte, storage.Version, error) {
	snap, err := call(ctx, f, func(client *firestore.Client) (*firestore.DocumentSnapshot, error) {
		return f.named(client, recordDocument(name)).Get(ctx)
	})
	switch {
	case status.Code(err) == codes.NotFound:
		return nil, storage.Version{}, nil
	case err != nil:
		return nil, storage.Version{}, err
	}
	data, ok := snap.Data()[dataField].([]byte)
	if !ok {
		return nil, storage.Version{}, fmt.Errorf("document %s has no field %q of bytes", snap.Ref.ID, dataField)
	}
	return data, snap.UpdateTime, nil
}

func (f *documents) PutRecord(ctx context.Context, name string, data []byte, base storage.Version) error {
	return f.putNamed(ctx, recordDocument(name), []firestore.Update{{Path: dataField, Value: data}}, base)
}

// putNamed takes no lock either: a dozen instances that start together and want the same
// lease would deadlock on upgrading theirs.
func (f *documents) putNamed(ctx context.Context, name string, fields []firestore.Update, base storage.Version) error {
	_, err := call(ctx, f, func(client *firestore.Client) (*firestore.WriteResult, error) {
		if base.IsZero() {
			return f.named(client, name).Create(ctx, values(fields))
		}
		return f.named(client, name).Update(ctx, fields, firestore.LastUpdateTime(base))
	})
	switch status.Code(err) {
	case codes.AlreadyExists, codes.FailedPrecondition, codes.NotFound, codes.Aborted:
		return storage.ErrRace
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
