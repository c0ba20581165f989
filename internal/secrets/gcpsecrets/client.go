package gcpsecrets

import (
	"context"
	"fmt"
	"hash/crc32"
	"log/slog"
	"time"

	secretmanager "cloud.google.com/go/secretmanager/apiv1"
	"cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"fluxgate.dev/fluxgate/internal/secrets"
)

// maxPayload is the largest secret that is read, in bytes. Secret Manager
// itself allows no more.
const maxPayload = 64 << 10

// A Client reads secrets. It may be used by any number of goroutines.
type Client struct{ client *secretmanager.Client }

var _ secrets.Accessor = (*Client)(nil)

// Open returns a client that writes no log: with
// GOOGLE_SDK_GO_LOGGING_LEVEL=debug Google's clients log every response, and
// here the responses are the secrets. The caller closes it.
func Open(ctx context.Context, opts ...option.ClientOption) (*Client, error) {
	all := append([]option.ClientOption{option.WithLogger(slog.New(slog.DiscardHandler))}, opts...)
	client, err := secretmanager.NewClient(ctx, all...)
	if err != nil {
		return nil, fmt.Errorf("open Secret Manager: %w", err)
	}
	return &Client{client}, nil
}

// Close closes the connection.
func (c *Client) Close() error { return c.client.Close() }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Access implements [secrets.Accessor]: it returns a payload that is verified by its
// checksum. The error keeps the gRPC status.
func (c *Client) Access(ctx context.Context, version string) ([]byte, error) {
	resp, err := c.client.AccessSecretVersion(ctx,
		&secretmanagerpb.AccessSecretVersionRequest{Name: version},
		gax.WithRetry(newRetryer),
		// Room for the names and framing around the payload.
		gax.WithGRPCOptions(grpc.MaxCallRecvMsgSize(2*maxPayload)))
	if err != nil {
		return nil, withAdvice(err)
	}
	payload := resp.GetPayload()
	if payload == nil || payload.DataCrc32C == nil {
		return nil, secrets.ErrNoChecksum
	}
	data := payload.GetData()
	if len(data) > maxPayload {
		return nil, fmt.Errorf("the payload has %d bytes: want at most %d", len(data), maxPayload)
	}
	if int64(crc32.Checksum(data, castagnoli)) != payload.GetDataCrc32C() {
		return nil, secrets.ErrDamaged
	}
	return data, nil
}

// A retryer asks a service that is unavailable three times within about half a
// second. The client's own policy goes on until the deadline, takes a response
// that is too large for a passing trouble, and then reports the deadline instead
// of the cause. A [secrets.Cache] tries again later in any case.
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
		return fmt.Errorf("%w %w", secrets.ErrDisabled, err)
	default:
		return err
	}
	return fmt.Errorf("%s %w", advice, err)
}
