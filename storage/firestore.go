package storage

import (
	"context"
	"fmt"
	"net/url"
	"reflect"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/codec"
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
// the caller's to close.
func NewFirestore(client *firestore.Client, collection string, opts Options) *Grouped {
	return newGrouped(&firestoreDocuments{
		client: client,
		coll:   client.Collection(collection),
		clock:  clock{local: localClocks},
	}, opts)
}

type firestoreDocuments struct {
	client *firestore.Client
	coll   *firestore.CollectionRef
	clock  clock
}

func (f *firestoreDocuments) project(id string) *firestore.DocumentRef {
	// An ID is whatever the operator declares; a slash would end the name.
	return f.coll.Doc("project-" + url.PathEscape(id))
}

func (f *firestoreDocuments) now() scheduler.Instant { return f.clock.now() }

func (f *firestoreDocuments) between() (earliest, latest scheduler.Instant) {
	return f.clock.between()
}

func (f *firestoreDocuments) steady() bool { return f.clock.steady() }

// get reads with one batched call, outside any transaction.
func (f *firestoreDocuments) get(ctx context.Context, ids []string) ([]document, error) {
	refs := make([]*firestore.DocumentRef, len(ids))
	for i, id := range ids {
		refs[i] = f.project(id)
	}
	before := localClocks()
	snaps, err := f.client.GetAll(ctx, refs)
	if err != nil {
		return nil, err
	}
	after := localClocks()
	docs := make([]document, len(snaps))
	for i, snap := range snaps {
		f.clock.observe(before, after, snap.ReadTime)
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
	return withDeadline(ctx, func() (version, error) { return f.transact(ctx, f.project(id), fields, base) })
}

// withDeadline runs a transaction and returns when ctx ends, though the library may
// be busy for another 5 s with rolling back.
func withDeadline[T any](ctx context.Context, transaction func() (T, error)) (T, error) {
	type outcome struct {
		result T
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := transaction()
		done <- outcome{result, err}
	}()
	select {
	case o := <-done:
		return o.result, o.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func (f *firestoreDocuments) transact(ctx context.Context, doc *firestore.DocumentRef, fields []firestore.Update, base version) (version, error) {
	var reply firestore.CommitResponse
	before := localClocks()
	err := f.client.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		before = localClocks()
		if base.IsZero() {
			values := make(map[string]any, len(fields))
			for _, x := range fields {
				values[x.Path] = x.Value
			}
			return tx.Create(doc, values)
		}
		return tx.Update(doc, fields, firestore.LastUpdateTime(base))
	}, firestore.MaxAttempts(1), firestore.WithCommitResponseTo(&reply))
	if err != nil {
		return version{}, err
	}
	f.clock.observe(before, localClocks(), reply.CommitTime())
	results, err := reply.WriteResults()
	if err != nil {
		return version{}, fmt.Errorf("commit reply: %w", err)
	}
	if len(results) != 1 {
		return version{}, fmt.Errorf("commit reply: %d results for one write", len(results))
	}
	return results[0].UpdateTime, nil
}

func (f *firestoreDocuments) controlRef() *firestore.DocumentRef { return f.coll.Doc("control") }

func (f *firestoreDocuments) control(ctx context.Context) (Control, error) {
	before := localClocks()
	snap, err := f.controlRef().Get(ctx)
	if snap != nil {
		f.clock.observe(before, localClocks(), snap.ReadTime)
	}
	return decodeControl(snap, err)
}

func decodeControl(snap *firestore.DocumentSnapshot, err error) (Control, error) {
	var c Control
	switch {
	case status.Code(err) == codes.NotFound:
		return c, nil
	case err != nil:
		return c, err
	}
	if err := snap.DataTo(&c); err != nil {
		return Control{}, fmt.Errorf("control document: %w", err)
	}
	return c, nil
}

// controlFields names the fields of the control document that this build knows.
var controlFields = func() (paths []firestore.FieldPath) {
	for field := range reflect.TypeFor[Control]().Fields() {
		paths = append(paths, firestore.FieldPath{field.Tag.Get("firestore")})
	}
	return paths
}()

// updateControl reads and writes in an ordinary transaction: admins are rare.
// Fields that this build doesn't know stay as they are.
func (f *firestoreDocuments) updateControl(ctx context.Context, change func(*Control) error) (Control, error) {
	return withDeadline(ctx, func() (result Control, err error) {
		err = f.client.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
			snap, err := tx.Get(f.controlRef())
			c, err := decodeControl(snap, err)
			if err != nil {
				return err
			}
			if err := change(&c); err != nil {
				return err
			}
			result = c
			return tx.Set(f.controlRef(), c, firestore.Merge(controlFields...))
		})
		return result, err
	})
}

// dataField holds what a record holds. It should be exempt from indexing.
const dataField = "data"

func (f *firestoreDocuments) recordRef(name string) *firestore.DocumentRef {
	return f.coll.Doc("record-" + name)
}

func (f *firestoreDocuments) record(ctx context.Context, name string) ([]byte, error) {
	data, _, err := f.readRecord(ctx, name)
	return data, err
}

// readRecord returns what a record holds, and the version that it is; the zero
// one if there is none.
func (f *firestoreDocuments) readRecord(ctx context.Context, name string) ([]byte, version, error) {
	snap, err := f.recordRef(name).Get(ctx)
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

// updateRecord takes no lock either: a dozen instances that start together and
// want the same lease would deadlock on upgrading theirs. It reads, and writes on
// condition that nobody wrote in between; a lost race is codes.Aborted.
func (f *firestoreDocuments) updateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error) {
	data, base, err := f.readRecord(ctx, name)
	if err != nil {
		return nil, err
	}
	next, changed, err := changeRecord(data, change)
	if err != nil || !changed {
		return next, err
	}
	if base.IsZero() {
		_, err = f.recordRef(name).Create(ctx, map[string]any{dataField: next})
	} else {
		_, err = f.recordRef(name).Update(ctx, []firestore.Update{{Path: dataField, Value: next}}, firestore.LastUpdateTime(base))
	}
	switch status.Code(err) {
	case codes.AlreadyExists, codes.FailedPrecondition, codes.NotFound:
		return nil, status.Error(codes.Aborted, "the record was changed by another instance")
	}
	return next, err
}
