package gcpfirestore

import (
	"cloud.google.com/go/firestore"
	"google.golang.org/api/option"

	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore/internal/connection"
	"fluxgate.dev/fluxgate/storage/internal/codec"
)

// New returns a Store over Cloud Firestore. All documents lie in the collection of that
// name. The client stays the caller's to close; Open makes its own, and others when one
// goes silent.
func New(client *firestore.Client, collection string, opts storage.Options) *storage.Grouped {
	return grouped(connection.Of(client), collection, opts)
}

// Open returns a Store over Cloud Firestore as New does, by a client that it has dial
// make, with the options that it gives, and closes with the store. A client whose
// connection has gone silent is replaced by another within seconds, so that the request
// that found out is often answered all the same (package connection).
func Open(dial func(...option.ClientOption) (*firestore.Client, error), collection string, opts storage.Options) (*storage.Grouped, error) {
	opts = opts.WithDefaults()
	conn, err := connection.Open(dial, opts.CommitTimeout/2, opts.Logger)
	if err != nil {
		return nil, err
	}
	return grouped(conn, collection, opts), nil
}

func grouped(conn *connection.Connection, collection string, opts storage.Options) *storage.Grouped {
	return storage.NewGrouped(over(conn, collection), codec.New(codec.Sections()...), opts)
}
