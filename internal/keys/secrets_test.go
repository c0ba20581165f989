package keys

import (
	"context"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/secrets"
	"fluxgate.dev/fluxgate/internal/secrets/gcpsecrets"
)

// secretServer is Secret Manager's gRPC service over a map of versions.
type secretServer struct {
	secretmanagerpb.UnimplementedSecretManagerServiceServer

	mu      sync.Mutex
	secrets map[string]string // version name -> payload
	fail    error             // for every call, when set
	damage  int               // that many payloads get a wrong checksum
	bare    bool              // payloads come without a checksum
	calls   map[string]int
}

func (s *secretServer) AccessSecretVersion(_ context.Context, req *secretmanagerpb.AccessSecretVersionRequest) (*secretmanagerpb.AccessSecretVersionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[req.GetName()]++
	if s.fail != nil {
		return nil, s.fail
	}
	text, ok := s.secrets[req.GetName()]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "Secret [%s] not found or has no versions.", req.GetName())
	}
	sum := int64(crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)))
	if s.damage > 0 {
		s.damage--
		sum++
	}
	payload := &secretmanagerpb.SecretPayload{Data: []byte(text), DataCrc32C: &sum}
	if s.bare {
		payload.DataCrc32C = nil
	}
	return &secretmanagerpb.AccessSecretVersionResponse{Name: req.GetName(), Payload: payload}, nil
}

// set changes the server between calls.
func (s *secretServer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *secretServer) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[name]
}

const (
	versionS = "projects/p/secrets/S/versions/latest"
	versionT = "projects/p/secrets/T/versions/2"
)

// withServer runs test in a bubble of virtual time, with a server of the real
// generated service and the real client connected to it. (In memory: what
// waits for a socket would stop the bubble's clock.)
func withServer(t *testing.T, secrets map[string]string, test func(*testing.T, *secretServer, SecretAccessor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		service := &secretServer{secrets: secrets, calls: map[string]int{}}
		listener := bufconn.Listen(1 << 20)
		server := grpc.NewServer()
		secretmanagerpb.RegisterSecretManagerServiceServer(server, service)
		go func() { _ = server.Serve(listener) }()
		defer server.Stop()
		conn, err := grpc.NewClient("passthrough:///secretmanager",
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		client, err := gcpsecrets.Open(t.Context(), option.WithGRPCConn(conn))
		require.NoError(t, err)
		defer func() { assert.NoError(t, client.Close()) }()
		test(t, service, client)
	})
}

func TestFromSecrets(t *testing.T) {
	for _, tt := range []struct {
		name     string
		secrets  map[string]string
		names    []string
		want     []Key
		warnings []Warning
	}{
		{"one key", map[string]string{versionS: "a\n"}, []string{versionS}, []Key{keyA(1)}, nil},
		{"without a version the latest", map[string]string{versionS: "a"}, []string{"projects/p/secrets/S"}, []Key{keyA(1)}, nil},
		{"the version that is named", map[string]string{versionT: "a", "projects/p/secrets/T/versions/latest": "b"}, []string{versionT}, []Key{keyA(1)}, nil},
		{"several, in configured order", map[string]string{versionS: "a", versionT: "b"}, []string{versionT, versionS}, []Key{keyB(1), keyA(2)}, nil},
		{"JSON with projects, and lines", map[string]string{versionS: `[{"key":"a","project":"team"}]`, versionT: "# old\nb"},
			[]string{versionS, versionT}, []Key{declared(keyA(1), "team"), keyB(2)}, nil},
		{"a blanked entry keeps its number", map[string]string{versionS: `[{"key":""},{"key":"a"}]`, versionT: "b"},
			[]string{versionS, versionT}, []Key{keyA(2), keyB(3)}, nil},
		{"a duplicate across secrets keeps its number", map[string]string{versionS: "a", versionT: "a\nb"},
			[]string{versionS, versionT}, []Key{keyA(1), keyB(3)}, []Warning{{slog.LevelWarn, "key 2 is the same as key 1: dropped"}}},
		{"of several providers", map[string]string{versionS: `[{"key":"a","project":"team","provider":"gemini"},{"key":"b","project":"org","provider":"openai"}]`},
			[]string{versionS}, []Key{declared(keyA(1), "team"), of("openai", declared(keyB(2), "org"))}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withServer(t, tt.secrets, func(t *testing.T, _ *secretServer, client SecretAccessor) {
				got, warnings, err := FromSecrets(client, tt.names, "openai").Load(t.Context())
				require.NoError(t, err)
				assert.Equal(t, tt.want, got)
				assert.Equal(t, tt.warnings, warnings)
			})
		})
	}
}

func TestFromSecretsRefuses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		text    string
		names   []string
		failure error
		code    codes.Code
		want    string
	}{
		{"no such secret", "a", []string{versionT}, nil, codes.NotFound, versionT + ": do the project, the secret and the version exist?"},
		{"no permission", "a", []string{versionS}, status.Error(codes.PermissionDenied, "no"), codes.PermissionDenied, "roles/secretmanager.secretAccessor"},
		{"disabled version", "a", []string{versionS}, status.Error(codes.FailedPrecondition, "DISABLED state"), codes.FailedPrecondition, "disabled or destroyed?"},
		{"malformed payload", `["hunter2"]`, []string{versionS}, nil, codes.Unknown, "read " + versionS + ": it is not a JSON array of"},
		{"several keys on a line", "a,hunter2", []string{versionS}, nil, codes.Unknown, versionS + ", entry 1: character 2 of the key is ',': want one key on a line"},
		{"malformed key", "a\nhunter2 x", []string{versionS}, nil, codes.Unknown, versionS + ", entry 2: character 8 of the key is a blank"},
		{"malformed project", `[{"key":"a","project":"hunter2/x"}]`, []string{versionS}, nil, codes.Unknown, versionS + ", entry 1: character 8 of the project"},
		{"too large", strings.Repeat("hunter2\n", 64<<10/8) + "x", []string{versionS}, nil, codes.Unknown, "the payload has 65537 bytes: want at most 65536"},
		{"a provider that there isn't", `[{"key":"a"},{"key":"hunter2","provider":"hunter2"}]`, []string{versionS}, nil, codes.Unknown, versionS + ", entry 2: its provider is none of gemini, openai"},
		{"one project of two providers", `[{"key":"a","project":"hunter2"},{"key":"b","project":"hunter2","provider":"openai"}]`, []string{versionS}, nil, codes.Unknown,
			"key 2 declares another provider of its project than key 1"},
		{"one key of two providers", `[{"key":"hunter2"},{"key":"hunter2","provider":"openai"}]`, []string{versionS}, nil, codes.Unknown, "key 2 is the same as key 1, which is for another provider"},
		{"not a full name", "a", []string{"S"}, nil, codes.Unknown, "read S: not the full name of one secret"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withServer(t, map[string]string{versionS: tt.text}, func(t *testing.T, s *secretServer, client SecretAccessor) {
				s.set(func() { s.fail = tt.failure })
				_, _, err := FromSecrets(client, tt.names, "openai").Load(t.Context())
				require.ErrorContains(t, err, tt.want)
				assert.NotContains(t, err.Error(), "hunter2")
				assert.Equal(t, tt.code, status.Code(err), "the status stays readable")
			})
		})
	}
}

func TestEverySecretThatFailsIsNamed(t *testing.T) {
	withServer(t, map[string]string{versionS: ""}, func(t *testing.T, _ *secretServer, client SecretAccessor) {
		_, _, err := FromSecrets(client, []string{versionS, versionT}).Load(t.Context())
		assert.ErrorContains(t, err, versionS+": it is empty")
		assert.ErrorContains(t, err, versionT+": do the project")
	})
}

func TestFullSizePayload(t *testing.T) {
	// Secret Manager's largest payload has to get through our own bound on
	// messages, which is there so that nothing larger is read into memory.
	withServer(t, map[string]string{versionS: "a\n#" + strings.Repeat("x", 64<<10-3)}, func(t *testing.T, s *secretServer, client SecretAccessor) {
		got, _, err := FromSecrets(client, []string{versionS}).Load(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []Key{keyA(1)}, got)
		s.set(func() { s.secrets[versionS] = strings.Repeat("x", 1<<20) })
		_, _, err = FromSecrets(client, []string{versionS}).Load(t.Context())
		assert.ErrorContains(t, err, "received message larger than max")
	})
}

func TestChecksum(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage int
		bare   bool
		want   error
		calls  int
	}{
		{"right", 0, false, nil, 1},
		{"damaged once on its way", 1, false, nil, 2},
		{"damaged again", 2, false, secrets.ErrDamaged, 2},
		{"none, which asking again wouldn't change", 0, true, secrets.ErrNoChecksum, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withServer(t, map[string]string{versionS: "a"}, func(t *testing.T, s *secretServer, client SecretAccessor) {
				s.set(func() { s.damage, s.bare = tt.damage, tt.bare })
				_, _, err := FromSecrets(client, []string{versionS}).Load(t.Context())
				if tt.want == nil {
					assert.NoError(t, err)
				} else {
					assert.ErrorIs(t, err, tt.want)
				}
				assert.Equal(t, tt.calls, s.count(versionS))
			})
		})
	}
}

// A deployment or a moved service shouldn't fail a cold start.
func TestUnavailableIsRetriedBriefly(t *testing.T) {
	withServer(t, map[string]string{versionS: "a"}, func(t *testing.T, s *secretServer, client SecretAccessor) {
		s.set(func() { s.fail = status.Error(codes.Unavailable, "try later") })
		began := time.Now()
		_, _, err := FromSecrets(client, []string{versionS}).Load(t.Context())
		assert.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
		assert.Equal(t, 3, s.count(versionS))
		assert.LessOrEqual(t, time.Since(began), 600*time.Millisecond)

		go func() {
			for s.count(versionS) < 4 {
				time.Sleep(time.Microsecond) // of virtual time
			}
			s.set(func() { s.fail = nil })
		}()
		got, _, err := FromSecrets(client, []string{versionS}).Load(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []Key{keyA(1)}, got)
	})
}

func TestClientWritesNoLog(t *testing.T) {
	// With this variable Google's clients log every response to stderr through
	// a logger of their own; ours must not, whoever sets it.
	t.Setenv("GOOGLE_SDK_GO_LOGGING_LEVEL", "debug")
	stderr := captureStderr(t, func() {
		withServer(t, map[string]string{versionS: "hunter2"}, func(t *testing.T, _ *secretServer, client SecretAccessor) {
			_, _, err := FromSecrets(client, []string{versionS}).Load(t.Context())
			assert.NoError(t, err)
		})
	})
	assert.NotContains(t, stderr, "hunter2")
	assert.NotContains(t, stderr, "AccessSecretVersion")
}

func TestPoolOverSecretManager(t *testing.T) {
	withServer(t, map[string]string{versionS: "a"}, func(t *testing.T, s *secretServer, client SecretAccessor) {
		var log logBuffer
		pool := NewPool(FromSecrets(client, []string{versionS}), Options{Logger: log.logger()})
		got, err := pool.Keys(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []Key{keyA(1)}, got)

		s.set(func() { s.fail = status.Error(codes.Unavailable, "try later") })
		time.Sleep(6 * time.Minute)
		began := time.Now()
		got, err = pool.Keys(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []Key{keyA(1)}, got, "the list in use stays")
		assert.LessOrEqual(t, time.Since(began), time.Second)
		assert.Contains(t, log.String(), "the keys could not be read again")
		assert.Contains(t, log.String(), "try later", "the cause, not the deadline")

		// The key is rotated while the service is back: same ID, other project.
		s.set(func() { s.fail, s.secrets[versionS] = nil, "b" })
		time.Sleep(time.Minute)
		got, err = pool.Keys(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []Key{keyB(1)}, got)
		assert.Contains(t, log.String(), `"changed":[1]`)
		assert.NotContains(t, log.String(), fmt.Sprintf("%q", config.NewSecret("b").Reveal()))
	})
}
