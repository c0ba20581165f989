package connection

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
)

// A client that a connection has made finds out by its pings that its connection went silent, and
// has another before the call is given up. Case B.
func TestClientsPing(t *testing.T) {
	if testing.Short() {
		t.Skip("waits ten seconds for a ping, which -short leaves out")
	}
	before := pings
	t.Cleanup(func() { pings = before })
	pings = keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 500 * time.Millisecond} // the least that gRPC takes
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return status.Error(codes.PermissionDenied, "an answer") }))
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)
	between := emulatortest.NewSilencer(t, l.Addr().String())
	c, err := Open(func(o ...option.ClientOption) (*firestore.Client, error) {
		return firestore.NewClient(t.Context(), "p", append(o, option.WithEndpoint(between.Address()), option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))...)
	}, time.Hour, slog.New(slog.DiscardHandler)) // so that silence alone replaces no client
	require.NoError(t, err)
	t.Cleanup(c.Close)
	ask := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := Call(ctx, c, func(client *firestore.Client) (*firestore.DocumentSnapshot, error) { return client.Doc("a/b").Get(ctx) })
		return err
	}
	require.Equal(t, codes.PermissionDenied, status.Code(ask()))
	between.Swallow(false)
	assert.Equal(t, codes.PermissionDenied, status.Code(ask()), "it is answered by another connection")
}
