package secrets

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"fluxgate.dev/fluxgate/internal/config"
)

// An Accessor reads one version of a secret by its full name. Its errors are those below too
// where they are what went wrong, by errors.Is.
type Accessor interface {
	Access(ctx context.Context, version string) ([]byte, error)
}

// ReadAll calls read for each of the named secrets, all at once, and returns
// what it returned in the order of the names. When any call fails there is no
// result, and the error names each secret that failed; it keeps the causes.
func ReadAll[T any](names []string, read func(name string) (T, error)) ([]T, error) {
	results := make([]T, len(names))
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			if results[i], errs[i] = read(name); errs[i] != nil {
				errs[i] = fmt.Errorf("read %s: %w", name, errs[i])
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return results, nil
}

// What is wrong with a payload that arrived.
var (
	ErrDamaged    = errors.New("the payload doesn't match its CRC32C checksum")
	ErrNoChecksum = errors.New("the payload came without a CRC32C checksum")
)

// ErrDisabled means that the version of a secret was disabled or destroyed, which an
// operator does to take back what it holds.
var ErrDisabled = errors.New("is the version disabled or destroyed?")

// Read returns the payload of one secret, verified by its checksum. One that was
// damaged on its way is asked for once more. The name is as [config.SecretNames]
// returns it; "projects/P/secrets/S" stands for its latest version. The error
// keeps the cause.
func Read(ctx context.Context, client Accessor, name string) ([]byte, error) {
	resolved, err := config.SecretNames(name, "")
	if err != nil || len(resolved) != 1 {
		return nil, errors.Join(errors.New("not the full name of one secret: want projects/P/secrets/S"), err)
	}
	data, err := client.Access(ctx, resolved[0])
	if errors.Is(err, ErrDamaged) {
		data, err = client.Access(ctx, resolved[0])
	}
	return data, err
}
