package secrets

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"sync"
	"time"

	secretmanager "cloud.google.com/go/secretmanager/apiv1"
	"cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"fluxgate.dev/fluxgate/internal/config"
)

// maxPayload is the largest secret that is read, in bytes. Secret Manager
// itself allows no more.
const maxPayload = 64 << 10

// An Accessor reads one version of a secret. *secretmanager.Client is one.
type Accessor interface {
	AccessSecretVersion(context.Context, *secretmanagerpb.AccessSecretVersionRequest, ...gax.CallOption) (*secretmanagerpb.AccessSecretVersionResponse, error)
}

var _ Accessor = (*secretmanager.Client)(nil)

// NewClient returns a Secret Manager client that writes no log: with
// GOOGLE_SDK_GO_LOGGING_LEVEL=debug Google's clients log every response, and
// here the responses are the secrets. The caller closes it.
func NewClient(ctx context.Context, opts ...option.ClientOption) (*secretmanager.Client, error) {
	all := append([]option.ClientOption{option.WithLogger(slog.New(slog.DiscardHandler))}, opts...)
	client, err := secretmanager.NewClient(ctx, all...)
	if err != nil {
		return nil, fmt.Errorf("open Secret Manager: %w", err)
	}
	return client, nil
}

// ReadAll calls read for each of the named secrets, all at once, and returns
// what it returned in the order of the names. When any call fails there is no
// result, and the error names each secret that failed; it keeps the gRPC status.
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

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Read returns the payload of one secret, verified by its checksum. One that was
// damaged on its way is asked for once more. The name is as [config.SecretNames]
// returns it; "projects/P/secrets/S" stands for its latest version. The error
// keeps the gRPC status.
func Read(ctx context.Context, client Accessor, name string) ([]byte, error) {
	resolved, err := config.SecretNames(name, "")
	if err != nil || len(resolved) != 1 {
		return nil, errors.Join(errors.New("not the full name of one secret: want projects/P/secrets/S"), err)
	}
	data, err := access(ctx, client, resolved[0])
	if errors.Is(err, ErrDamaged) {
		data, err = access(ctx, client, resolved[0])
	}
	return data, err
}

func access(ctx context.Context, client Accessor, version string) ([]byte, error) {
	resp, err := client.AccessSecretVersion(ctx,
		&secretmanagerpb.AccessSecretVersionRequest{Name: version},
		gax.WithRetry(newRetryer),
		// Room for the names and framing around the payload.
		gax.WithGRPCOptions(grpc.MaxCallRecvMsgSize(2*maxPayload)))
	if err != nil {
		return nil, withAdvice(err)
	}
	payload := resp.GetPayload()
	if payload == nil || payload.DataCrc32C == nil {
		return nil, ErrNoChecksum
	}
	data := payload.GetData()
	if len(data) > maxPayload {
		return nil, fmt.Errorf("the payload has %d bytes: want at most %d", len(data), maxPayload)
	}
	if int64(crc32.Checksum(data, castagnoli)) != payload.GetDataCrc32C() {
		return nil, ErrDamaged
	}
	return data, nil
}

// A retryer asks a service that is unavailable three times within about half a
// second. The client's own policy goes on until the deadline, takes a response
// that is too large for a passing trouble, and then reports the deadline instead
// of the cause. A [Cache] tries again later in any case.
type retryer struct {
	gax.Retryer
	left int
}

func newRetryer() gax.Retryer {
	return &retryer{gax.OnCodes([]codes.Code{codes.Unavailable},
		gax.Backoff{Initial: 200 * time.Millisecond, Max: 400 * time.Millisecond, Multiplier: 2}), 2}
}

// Retry implements [gax.Retryer].
func (r *retryer) Retry(err error) (time.Duration, bool) {
	if r.left == 0 {
		return 0, false
	}
	r.left--
	return r.Retryer.Retry(err)
}

// withAdvice adds what an operator can do to the refusals that only one can lift.
func withAdvice(err error) error {
	var advice string
	switch status.Code(err) {
	case codes.PermissionDenied, codes.Unauthenticated:
		advice = "does the service account have roles/secretmanager.secretAccessor on the secret?"
	case codes.NotFound:
		advice = "do the project, the secret and the version exist?"
	case codes.FailedPrecondition:
		advice = "is the version disabled or destroyed?"
	default:
		return err
	}
	return fmt.Errorf("%s %w", advice, err)
}

// Disabled reports whether err says that the version of a secret was disabled or
// destroyed, which an operator does to take back what it holds.
func Disabled(err error) bool { return status.Code(err) == codes.FailedPrecondition }
