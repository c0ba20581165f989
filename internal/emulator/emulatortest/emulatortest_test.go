//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package emulatortest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"cloud.google.com/go/firestore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"fluxgate.dev/fluxgate/internal/emulator"
)

// outcome is how a test that called f would have ended.
type outcome struct {
	testing.TB
	skipped, failed string
}

func (o *outcome) Helper() {}

func (o *outcome) Skipf(format string, args ...any) {
	o.skipped = fmt.Sprintf(format, args...)
	panic(o)
}

func (o *outcome) Fatalf(format string, args ...any) {
	o.failed = fmt.Sprintf(format, args...)
	panic(o)
}

func try(t *testing.T, f func(testing.TB)) (o *outcome) {
	t.Helper()
	o = &outcome{TB: t}
	defer func() {
		if r := recover(); r != nil && r != any(o) {
			panic(r)
		}
	}()
	f(o)
	return o
}

func TestHostWithoutEmulator(t *testing.T) {
	SkipShort(t)
	for _, name := range []string{hostEnv, requireEnv, "PATH", "JAVA_HOME", "CLOUDSDK_ROOT_DIR", "CLOUDSDK_ROOT"} {
		t.Setenv(name, "")
	}
	found := shared.host
	shared.host = ""
	t.Cleanup(func() { shared.host = found })

	o := try(t, func(tb testing.TB) { Host(tb) })
	const hint = "install a Java runtime and run `gcloud components install cloud-firestore-emulator` " +
		"(where gcloud came from apt: `apt-get install google-cloud-cli-firestore-emulator`)"
	assert.Contains(t, o.skipped, hint, "whoever sees a skipped test must learn how to run it")
	assert.Empty(t, o.failed)

	t.Setenv(requireEnv, "1")
	o = try(t, func(tb testing.TB) { Host(tb) })
	assert.Contains(t, o.failed, requireEnv, "a check that may skip everything isn't one")
	assert.Empty(t, o.skipped)
}

// Somebody who names an emulator wants that one: no other, and no skipping.
func TestHostNotReachable(t *testing.T) {
	SkipShort(t)
	t.Setenv(hostEnv, "127.0.0.1:1")
	o := try(t, func(tb testing.TB) { Host(tb) })
	assert.Contains(t, o.failed, "127.0.0.1:1")
	assert.Empty(t, o.skipped)
}

func TestHostOfTheEnvironment(t *testing.T) {
	host := Host(t)
	t.Setenv(hostEnv, host)
	assert.Equal(t, host, Host(t))
	write(t, Client(t), "with the variable set the library connects in another way")
}

func TestHostIsTheSame(t *testing.T) {
	host := Host(t)
	require.NoError(t, emulator.Check(t.Context(), host))
	assert.Equal(t, host, Host(t))
	t.Run("of a subtest", func(t *testing.T) { assert.Equal(t, host, Host(t)) })
}

func TestClientsOfOneTestShareADatabase(t *testing.T) {
	write(t, Client(t), "shared")
	assert.Equal(t, "shared", read(t, Client(t)))
}

func TestProjectsAreIsolated(t *testing.T) {
	write(t, Client(t), "mine")
	mine := Project(t)
	t.Run("other", func(t *testing.T) {
		assert.NotEqual(t, mine, Project(t))
		assert.Equal(t, Project(t), Project(t))
		_, err := Client(t).Doc("c/d").Get(t.Context())
		assert.Equal(t, codes.NotFound, status.Code(err))
	})
	assert.Equal(t, "mine", read(t, Client(t)), "a subtest's clean-up is its own")
}

// Otherwise a long run fills the emulator's memory.
func TestProjectIsClearedAtTheEnd(t *testing.T) {
	var project string
	t.Run("writer", func(t *testing.T) {
		write(t, Client(t), "left behind")
		project = Project(t)
	})
	projects.Store(t, project) // a client of the same project, without its clean-up
	t.Cleanup(func() { projects.Delete(t) })
	_, err := Client(t).Doc("c/d").Get(t.Context())
	assert.Equal(t, codes.NotFound, status.Code(err))
}

// The store's tests drop replies by an interceptor; the library would ignore it with FIRESTORE_EMULATOR_HOST set.
func TestClientHonoursInterceptors(t *testing.T) {
	for _, env := range []string{"", Host(t)} {
		t.Run("env "+env, func(t *testing.T) {
			Host(t)
			t.Setenv(hostEnv, env)
			var calls atomic.Int32
			count := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
				invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				calls.Add(1)
				return invoke(ctx, method, req, reply, cc, opts...)
			}
			client := Client(t, option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(count)))
			write(t, client, "counted")
			assert.EqualValues(t, 1, calls.Load())
		})
	}
}

func write(t *testing.T, client *firestore.Client, value string) {
	t.Helper()
	_, err := client.Doc("c/d").Set(t.Context(), map[string]any{"v": value})
	require.NoError(t, err)
}

func read(t *testing.T, client *firestore.Client) any {
	t.Helper()
	doc, err := client.Doc("c/d").Get(t.Context())
	require.NoError(t, err)
	return doc.Data()["v"]
}
