package emulatortest

import (
	"context"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// newClient returns a client of a project of the emulator, whatever the environment says.
func newClient(ctx context.Context, host, project string, opts ...option.ClientOption) (*firestore.Client, error) {
	all := append([]option.ClientOption{
		option.WithEndpoint(host),
		option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
		option.WithGRPCDialOption(grpc.WithPerRPCCredentials(owner{})),
		// With FIRESTORE_EMULATOR_HOST set the library brings a connection of its own, before these options and
		// taking precedence over them. This takes it away.
		option.WithGRPCConn(nil),
	}, opts...)
	return firestore.NewClient(ctx, project, all...)
}

// owner is the credential with which the emulator skips security rules, as the server libraries do in production.
type owner struct{}

func (owner) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer owner"}, nil
}

func (owner) RequireTransportSecurity() bool { return false }
