package gcpfirestore

import (
	"context"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore/internal/connection"
)

// call carries out a call by the client in use. Its error is storage.ErrDenied too where
// that is what the database says.
func call[T any](ctx context.Context, f *documents, do func(*firestore.Client) (T, error)) (T, error) {
	result, err := connection.Call(ctx, f.conn, do)
	switch status.Code(err) {
	case codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented:
		err = denied{err}
	}
	return result, err
}

// denied is an error of the database that is storage.ErrDenied too. It reads as it came.
type denied struct{ error }

func (d denied) Is(target error) bool { return target == storage.ErrDenied }

func (d denied) Unwrap() error { return d.error }
