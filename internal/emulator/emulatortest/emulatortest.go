package emulatortest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/option"

	"fluxgate.dev/fluxgate/internal/emulator"
)

const (
	hostEnv = "FIRESTORE_EMULATOR_HOST"

	// requireEnv set to "1" turns the skipping of tests for want of an emulator into a failure.
	requireEnv = "FLUXGATE_REQUIRE_EMULATOR"

	// hostTimeout bounds Host: a predecessor's end, a start, and the first write.
	hostTimeout = 150 * time.Second

	clearTimeout = 10 * time.Second
)

var shared struct {
	sync.Mutex
	host  string
	err   error     // of a start that failed: it would fail again, and take as long
	users io.Closer // kept reachable, and so open, until this process ends
}

// Host returns the address of the emulator ("127.0.0.1:port") and starts one if this is the run's first use. A process
// that the test starts doesn't find it by itself: give it the address as FIRESTORE_EMULATOR_HOST.
//
// The test is skipped when no emulator is installed, or fails where FLUXGATE_REQUIRE_EMULATOR is "1". It also fails when
// an emulator doesn't start, or isn't where FIRESTORE_EMULATOR_HOST says. With -short it is skipped in any case.
func Host(t testing.TB) string {
	t.Helper()
	SkipShort(t)
	if host := os.Getenv(hostEnv); host != "" {
		if err := emulator.Check(context.Background(), host); err != nil {
			t.Fatalf("%s is set, but: %v", hostEnv, err)
		}
		return host
	}

	shared.Lock()
	defer shared.Unlock()
	if shared.host == "" && shared.err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), hostTimeout)
		defer cancel()
		shared.host, shared.users, shared.err = join(ctx)
	}
	switch err := shared.err; {
	case err == nil:
	case errors.Is(err, emulator.ErrNotInstalled):
		shared.err = nil // another test may have another PATH
		Require(t, err)
	default:
		t.Fatalf("the Firestore emulator for this run: %v", err)
	}
	return shared.host
}

// SkipShort skips a test with -short that has an emulator of its own started, by other means than Host.
func SkipShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skipf("needs the Firestore emulator, which -short leaves out")
	}
}

// Require skips a test if err says why there is no emulator to be had, or fails it where FLUXGATE_REQUIRE_EMULATOR is "1".
func Require(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv(requireEnv) == "1" {
		t.Fatalf("%s is 1, but %v", requireEnv, err)
	}
	t.Skipf("needs the Firestore emulator: %v; or set %s", err, hostEnv)
}

// projects remembers the project of each running test.
var projects sync.Map // testing.TB → string

// Project returns the ID of a project of the emulator that belongs to t alone: the same for every call with t, another
// for each subtest. The emulator keeps databases by project, so tests can't meet in one. Its documents are deleted
// when t ends.
func Project(t testing.TB) string {
	t.Helper()
	if id, ok := projects.Load(t); ok {
		return id.(string)
	}
	host := Host(t)
	random := make([]byte, 8)
	_, _ = rand.Read(random) // never fails
	id, loaded := projects.LoadOrStore(t, "test-"+hex.EncodeToString(random))
	project := id.(string)
	if !loaded {
		t.Cleanup(func() {
			projects.Delete(t)
			if err := clearProject(host, project); err != nil {
				t.Logf("the emulator keeps the documents of this test: %v", err)
			}
		})
	}
	return project
}

// Clear deletes all documents of t's project, under whoever uses it.
func Clear(t testing.TB) {
	t.Helper()
	if err := clearProject(Host(t), Project(t)); err != nil {
		t.Fatal(err)
	}
}

// clearProject deletes a project's documents, which would otherwise fill the emulator's memory during a long run.
func clearProject(host, project string) error {
	ctx, cancel := context.WithTimeout(context.Background(), clearTimeout)
	defer cancel()
	url := "http://" + host + "/emulator/v1/projects/" + project + "/databases/(default)/documents"
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("deleting the documents of %s: status %d", project, resp.StatusCode)
	}
	return nil
}

// Client returns a new client of t's project, closed when t ends. Several clients of one test see the same database, as
// instances of the function do. Unlike a client made from FIRESTORE_EMULATOR_HOST it honours
// option.WithGRPCDialOption, for interceptors.
func Client(t testing.TB, opts ...option.ClientOption) *firestore.Client {
	t.Helper()
	project := Project(t)
	client, err := newClient(context.Background(), Host(t), project, opts...)
	if err != nil {
		t.Fatalf("a client of the Firestore emulator: %v", err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}
