package acceptance

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/remote"
	"fluxgate.dev/fluxgate/internal/terminal"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore"
)

// A pool in which everything is found that can be: the report at the start, the
// status and the terminal say the same of it on two instances, and go on doing so
// when something changes. The status follows within a second, admission within
// the age of the control document. (The page shows the status; its own test
// drives it.)
func TestPoolOfTwoInstances(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) func() storage.Store{
		"memory": func(t *testing.T) func() storage.Store {
			store := storage.NewMemory(nil)
			return func() storage.Store { return store }
		},
		"emulator": func(t *testing.T) func() storage.Store {
			emulatortest.Host(t)
			turn(45 * time.Second)
			return func() storage.Store {
				store := gcpfirestore.New(emulatortest.Client(t), "fluxgate", storage.Options{})
				t.Cleanup(func() { _ = store.Close(context.Background()) })
				return store
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPool(t)
			instance := open(t)
			p.agree(t, p.instance(t, instance()), p.instance(t, instance()), name == "emulator")
		})
	}
}

// A pool is eight keys and the Gemini that judges them.
type pool struct {
	sim *geminisim.Server
	env []string
}

func newPool(t *testing.T) *pool {
	t.Helper()
	cfg := geminisim.Config{Limits: map[string]geminisim.Limits{model: {RPM: 60, TPM: 1_000_000, RPD: 1000}}}
	p := &pool{env: []string{
		"FLUXGATE_CHAIN=" + model, fmt.Sprintf(`FLUXGATE_LIMITS={%q:{"rpm":60,"tpm":1000000,"rpd":1000}}`, model),
	}}
	for i := range projects {
		key, in := fmt.Sprintf("pool-key-%d", i+1), project(i)
		if i == 5 {
			in = project(4) // of the same project as the key before it
		}
		cfg.Keys = append(cfg.Keys, geminisim.Key{Value: key, Project: in})
		p.env = append(p.env, fmt.Sprintf("GEMINI_KEY_%d=%s", i+1, key), fmt.Sprintf("GEMINI_PROJECT_%d=%s", i+1, in))
	}
	p.sim = geminisim.New(cfg)
	p.sim.SetKeyState("pool-key-2", credentials.Invalid)
	p.sim.SetKeyState("pool-key-3", credentials.Leaked)
	p.sim.SetLimits(project(3), model, geminisim.Limits{RPM: 60, TPM: 1_000_000, RPD: 1})
	upstream := httptest.NewServer(p.sim)
	t.Cleanup(upstream.Close)
	p.env = append(p.env, "GOOGLE_GEMINI_BASE_URL="+upstream.URL)
	return p
}

// A running is one instance, and what its start reported.
type running struct {
	*remote.Client
	url    string
	report string
}

func (p *pool) instance(t *testing.T, store storage.Store) *running {
	t.Helper()
	cfg, err := config.Load(t.Context(), p.env)
	require.NoError(t, err)
	var report bytes.Buffer
	a, err := app.Start(t.Context(), cfg, app.Options{Logger: slog.New(slog.DiscardHandler), Store: store, Report: &report})
	require.NoError(t, err)
	server := httptest.NewServer(a)
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, a.Close(context.Background()))
	})
	client, err := remote.NewClient(remote.Access{URL: server.URL}, nil, 0)
	require.NoError(t, err)
	return &running{client, server.URL, report.String()}
}

// generate sends one request and returns the status and body of the answer.
func (r *running) generate(t *testing.T, prompt string, members string) (int, string) {
	t.Helper()
	resp, err := http.Post(r.url+"/generate", "application/json", strings.NewReader(fmt.Sprintf(`{"prompt":%q%s}`, prompt, members)))
	require.NoError(t, err)
	defer resp.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, body.String()
}

// states says how every key does, as /status has it and as the terminal prints it.
func (r *running) states(t *testing.T) (status []string, printed string) {
	t.Helper()
	answer, err := r.Status(t.Context())
	require.NoError(t, err)
	for _, k := range answer.Body.Keys {
		status = append(status, k.Status)
	}
	return status, terminal.Status(&answer.Body, terminal.StatusOptions{}, terminal.Style{Width: 120})
}

func (p *pool) agree(t *testing.T, a, b *running, database bool) {
	want := []string{"healthy", "invalid", "invalid", "healthy", "healthy", "healthy", "healthy", "healthy"}
	expect := func(r *running) {
		t.Helper()
		status, printed := r.states(t)
		assert.Equal(t, want, status)
		for i, state := range want {
			assert.Regexp(t, fmt.Sprintf(`(?m)^ *%d  %s`, i+1, state), printed, "the terminal")
		}
	}
	for _, r := range []*running{a, b} {
		expect(r)
		for i, state := range want {
			assert.Regexp(t, fmt.Sprintf(`(?m)^  key %d +project %s +%s`, i+1, p.project(i), state), r.report)
		}
		assert.Contains(t, r.report, "key 2   project project-2          invalid (API_KEY_INVALID)")
		assert.Contains(t, r.report, "key 3   project project-3          invalid (leaked)")
		for i := range projects {
			assert.NotContains(t, r.report, fmt.Sprintf("pool-key-%d", i+1), "no key value in a report")
		}
	}
	counted := p.sim.Stats().Counted
	assert.EqualValues(t, projects-2, counted, "the second instance found the first one's results")

	// The day of key 4 is over after one request, as the second one finds out.
	for i := range 2 {
		code, body := a.generate(t, fmt.Sprint("spend ", i), `,"preferred_key":4,"retry":false`)
		require.Contains(t, []int{http.StatusOK, http.StatusTooManyRequests}, code, body)
	}
	want[3] = "exhausted"
	follows(t, time.Second, func() bool {
		status, _ := b.states(t)
		return status[3] == "exhausted"
	})
	expect(a)
	expect(b)

	// A key that is disabled on one instance, and enabled again.
	one := 1
	_, err := a.Configure(t.Context(), remote.Change{DisableKey: &one})
	require.NoError(t, err)
	want[0] = "disabled"
	follows(t, time.Second, func() bool {
		status, _ := b.states(t)
		return status[0] == "disabled"
	})
	expect(a)
	expect(b)
	uses := func(r *running, key int) func() bool {
		return func() bool {
			code, body := r.generate(t, time.Now().String(), fmt.Sprintf(`,"preferred_key":%d`, key))
			require.Equal(t, http.StatusOK, code, body)
			return strings.Contains(body, fmt.Sprintf(`"key_used":%d,`, key))
		}
	}
	follows(t, storage.ControlAge, func() bool { return !uses(b, 1)() })
	_, err = b.Configure(t.Context(), remote.Change{EnableKey: &one})
	require.NoError(t, err)
	want[0] = "healthy"
	follows(t, storage.ControlAge, uses(a, 1))
	expect(a)
	expect(b)

	// A key that works again is forgiven by the next validation.
	p.sim.SetKeyState("pool-key-2", credentials.Healthy)
	validated, err := b.Validate(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "healthy", validated.Body.Keys[1].Status)
	want[1] = "healthy"
	follows(t, time.Second, func() bool {
		status, _ := a.states(t)
		return status[1] == "healthy"
	})
	follows(t, storage.ControlAge, uses(a, 2))
	expect(a)
	expect(b)

	// Both instances' operations are counted, and either tells of all of them.
	answer, err := a.Status(t.Context())
	require.NoError(t, err)
	if o := answer.Body.Operations; database {
		assert.Greater(t, o.Writes, int64(10))
		assert.Greater(t, o.Reads, int64(10))
	} else {
		assert.Zero(t, o.Writes+o.Reads, "memory is no database")
	}
}

func (p *pool) project(i int) string {
	if i == 5 {
		return project(4)
	}
	return project(i)
}

// every is how often follows asks: seldom enough that a minute's quota of one key
// is more than the questions that take one.
const every = 250 * time.Millisecond

// follows waits until something is so, and requires that it is so whenever it is
// asked later than a time from now. (A second is for what an instance is busy
// with.) However slow the machine is, no answer can be older than its question.
func follows(t *testing.T, within time.Duration, so func() bool) {
	t.Helper()
	begun := time.Now()
	for {
		asked := time.Since(begun)
		if so() {
			t.Logf("followed after %v", asked.Round(10*time.Millisecond))
			return
		}
		require.Less(t, asked, within+time.Second, "it doesn't follow in time")
		time.Sleep(every)
	}
}
