package upgradetest

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/testbuffer"
)

const (
	projects = 4

	busy   = "gemini-2.5-flash"      // takes the load
	first  = "gemini-2.5-pro"        // booked at the release, returned to at this build
	second = "gemini-2.5-flash-lite" // booked at this build, returned to at the release
)

// limits are those of every model on every project, requests per minute: so few
// that the load exceeds them.
var limits = map[string]geminisim.Limits{
	busy:   {RPM: 40, TPM: 1_000_000, RPD: 10_000},
	first:  {RPM: 2, TPM: 1_000_000, RPD: 10_000},
	second: {RPM: 2, TPM: 1_000_000, RPD: 10_000},
}

// A world is a simulated Gemini and a database, and the settings of those who use
// them.
type world struct {
	sim *geminisim.Server
	env []string
}

// newWorld starts a simulated Gemini with such limits.
func newWorld(t *testing.T, limits map[string]geminisim.Limits) *world {
	t.Helper()
	cfg := geminisim.Config{Limits: limits, Latency: 50 * time.Millisecond, Jitter: 50 * time.Millisecond}
	w := &world{}
	for i := range projects {
		key, project := fmt.Sprintf("upgrade-key-%d", i+1), project(i)
		cfg.Keys = append(cfg.Keys, geminisim.Key{Value: key, Project: project})
		w.env = append(w.env, fmt.Sprintf("GEMINI_KEY_%d=%s", i+1, key), fmt.Sprintf("GEMINI_PROJECT_%d=%s", i+1, project))
	}
	w.sim = geminisim.New(cfg)
	upstream := httptest.NewServer(w.sim)
	t.Cleanup(upstream.Close)
	settings := "{"
	for model, l := range limits {
		settings += fmt.Sprintf(`%q:{"rpm":%d,"tpm":%d,"rpd":%d},`, model, l.RPM, l.TPM, l.RPD)
	}
	w.env = append(w.env,
		"PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"),
		"FIRESTORE_EMULATOR_HOST="+emulatortest.Host(t), "GOOGLE_CLOUD_PROJECT="+emulatortest.Project(t), "FLUXGATE_STORE=firestore",
		"GOOGLE_GEMINI_BASE_URL="+upstream.URL, "FLUXGATE_CHAIN="+busy, "FLUXGATE_LIMITS="+settings[:len(settings)-1]+"}",
		// What runs beside this may make a request late, which is what the skew is for.
		"FLUXGATE_POLICY=off", "FLUXGATE_SKEW=3s", "FLUXGATE_COUNT=estimate",
	)
	return w
}

func project(i int) string { return fmt.Sprintf("project-%d", i+1) }

// requireWithinLimits asserts on the simulator's own log that no limit was ever
// exceeded, and that it never had to say 429.
func (w *world) requireWithinLimits(t *testing.T) {
	t.Helper()
	s := w.sim.Stats()
	require.Zero(t, s.RefusedRPM+s.RefusedTPM+s.RefusedRPD, "upstream 429s: %+v", s)
	for i := range projects {
		for model, l := range limits {
			requests, _ := w.sim.Peak(project(i), model)
			require.LessOrEqual(t, requests, l.RPM, "%s on %s", model, project(i))
		}
	}
}

// An instance is a process that serves.
type instance struct {
	t   *testing.T
	url string
	cmd *exec.Cmd
	out testbuffer.Buffer
	end chan error
}

var serving = regexp.MustCompile(`(?m)^serving on (http://\S+)`)

// start starts an instance of a build and waits until it serves.
func (w *world) start(t *testing.T, program string) *instance {
	t.Helper()
	i := &instance{t: t, cmd: exec.Command(program, "serve", "--port", "0"), end: make(chan error, 1)}
	i.cmd.Dir, i.cmd.Env = t.TempDir(), w.env
	i.cmd.Stdout, i.cmd.Stderr = &i.out, &i.out
	require.NoError(t, i.cmd.Start())
	go func() { i.end <- i.cmd.Wait() }()
	t.Cleanup(func() {
		_ = i.cmd.Process.Kill() // unless it was stopped
		if t.Failed() {
			t.Logf("%s said:\n%s", program, tail(i.out.String(), 4000))
		}
	})
	require.Eventually(t, func() bool {
		found := serving.FindStringSubmatch(i.out.String())
		if found != nil {
			i.url = found[1]
		}
		return found != nil
	}, time.Minute, 20*time.Millisecond, "it serves nothing: %s", &i.out)
	return i
}

// stop ends the instance as Cloud Run does: it finishes what is under way.
func (i *instance) stop() {
	i.t.Helper()
	require.NoError(i.t, i.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-i.end:
		require.NoError(i.t, err, i.out.String())
	case <-time.After(30 * time.Second):
		i.t.Fatalf("it doesn't stop: %s", &i.out)
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
