package batch

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A stopping server answers as many requests as it is let, and holds the others.
type stopping struct {
	t            *testing.T
	url          string
	served, most atomic.Int64
	blocked      chan struct{}
}

func newStopping(t *testing.T, fake *fakeServer) *stopping {
	s := &stopping{t: t, blocked: make(chan struct{}, 100)}
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.served.Add(1) > s.most.Load() {
			s.blocked <- struct{}{}
			<-release
			return
		}
		response, err := fake.RoundTrip(r)
		if err == nil {
			_, _ = io.Copy(w, response.Body)
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	s.url = server.URL
	return s
}

// killChild runs this test in a process of its own, whose job has four workers, lets the
// server answer some more requests, and kills the process in the middle of the next four.
func (s *stopping) killChild(answers int64, environment ...string) {
	s.most.Store(s.served.Load() + answers)
	child := exec.Command(os.Args[0], "-test.run=^"+s.t.Name()+"$")
	child.Env = append(append(os.Environ(), "FLUXGATE_BATCH_URL="+s.url), environment...)
	require.NoError(s.t, child.Start())
	for range 4 {
		<-s.blocked // all four workers are in the middle of a request
	}
	require.NoError(s.t, child.Process.Kill())
	_ = child.Wait()
}
