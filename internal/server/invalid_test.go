package server_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/storage"
)

// Each of these is the caller's mistake: it is told which field is wrong, and
// nothing is counted, sent or charged for it.
func TestGenerateMalformed(t *testing.T) {
	for _, c := range []struct{ body, names string }{
		{``, "ends too early"},
		{`{`, "ends too early"},
		{`{"prompt":"x",}`, "byte 15"},
		{`[]`, "array"},
		{`"x"`, "string"},
		{`null`, "prompt"},
		{`{}`, "prompt"},
		{`{"prompt":""}`, "prompt"},
		{`{"prompt":5}`, "prompt"},
		{`{"prompt":["x"]}`, "prompt"},
		{`{"prompt":"x","images":"aGk="}`, "images"},
		{`{"prompt":"x","images":["%%%"]}`, "images[0]"},
		{`{"prompt":"x","images":["aGk=",""]}`, "images[1]"},
		{`{"prompt":"x","images":[null]}`, "images[0]"},
		{`{"prompt":"x","images":["data:image/png,plain"]}`, "images[0]"},
		{`{"prompt":"x","files":["aGk=","***"]}`, "files[1]"},
		{`{"prompt":"x","files":{"a":1}}`, "files"},
		{`{"prompt":"x","mode":"turbo"}`, "mode"},
		{`{"prompt":"x","mode":3}`, "mode"},
		{`{"prompt":"x","preferred_key":"1"}`, "preferred_key"},
		{`{"prompt":"x","preferred_key":1.5}`, "preferred_key"},
		{`{"prompt":"x","max_tokens":-1}`, "max_tokens"},
		{`{"prompt":"x","max_tokens":-1}`, "max_tokens"},
		{`{"prompt":"x","max_tokens":1.5}`, "max_tokens"},
		{`{"prompt":"x","max_tokens":"10"}`, "max_tokens"},
		{`{"prompt":"x","max_tokens":3000000000}`, "max_tokens"}, // would wrap around in 32 bits
		{`{"prompt":"x","max_tokens":1e400}`, "max_tokens"},
		{`{"prompt":"x","temperature":-0.1}`, "temperature"},
		{`{"prompt":"x","temperature":2.1}`, "temperature"},
		{`{"prompt":"x","temperature":"hot"}`, "temperature"},
		{`{"prompt":"x","timeout":0}`, "timeout"},
		{`{"prompt":"x","timeout":-1}`, "timeout"},
		{`{"prompt":"x","timeout":3601}`, "timeout"},
		{`{"prompt":"x","timeout":"5s"}`, "timeout"},
		{`{"prompt":"x","retry":"yes"}`, "retry"},
		{`{"prompt":"x","system":5}`, "system"},
		{`{"prompt":"x","model":5}`, "model"},
		{`{"prompt":"x","model":"Gemini Pro"}`, "model"},
		{`{"prompt":"x","model":"../../v1/models/x"}`, "model"}, // a path, not a name
		{`{"prompt":"x","model":"a..b"}`, "model"},
		{`{"prompt":"x","max_wait":-1}`, "max_wait"},
		{`{"prompt":"x","max_wait":1e9}`, "max_wait"},
		{`{"prompt":"x","max_wait":"0"}`, "max_wait"},
		{`{"prompt":"x","promt":"y"}`, "promt"}, // a misspelt field must not be lost in silence
		{`{"prompt":"x"} {"prompt":"y"}`, "more than one"},
		{`{"prompt":"x"}]`, "more than one"},
		{`{"prompt":"x"}}`, "more than one"},
		{`{"prompt":"x"}rest`, "more than one"},
	} {
		t.Run(c.body, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{env: []string{"FLUXGATE_COUNT=exact"}})
				f := w.do("POST", "/generate", c.body).failed(http.StatusBadRequest)
				assert.Equal(t, "INVALID_ARGUMENT", f.Status)
				assert.Contains(t, f.Message, c.names)
				w.untouched()
				assert.Zero(t, w.sim.Stats().Counted)
			})
		})
	}
}

func TestBodyTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_MAX_BODY=1KiB"}})
		overhead := len(body("", ""))
		w.generate(strings.Repeat("x", 1024-overhead), "").ok()
		for _, path := range []string{"/generate", "/config"} {
			f := w.do("POST", path, body(strings.Repeat("x", 1025-overhead), "")).failed(http.StatusRequestEntityTooLarge)
			assert.Contains(t, f.Message, "1KiB")
		}
		assert.Len(t, w.sim.Log(), 1, "the one that was not too large")
	})
}

func TestWrongMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for _, c := range []struct{ method, path, allow string }{
			{"GET", "/generate", "POST"},
			{"DELETE", "/generate", "POST"},
			{"POST", "/health", "GET, HEAD"},
			{"PUT", "/status", "GET, HEAD"},
			{"GET", "/config", "POST"},
			{"GET", "/tickets/abc", "DELETE"},
		} {
			a := w.do(c.method, c.path, "")
			a.failed(http.StatusMethodNotAllowed)
			assert.Equal(t, c.allow, a.Header().Get("Allow"), c.path)
		}
		assert.Equal(t, http.StatusOK, w.do("HEAD", "/health", "").Code)
		w.untouched()
	})
}

func TestNotFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for _, path := range []string{"/", "/page", "/generate/", "/generate/x", "/tickets/", "/v2", "/validate/x"} {
			assert.Contains(t, w.do("POST", path, "{}").failed(http.StatusNotFound).Message, "POST /generate", path)
		}
	})
}

// What never fits has no Retry-After: coming back would be in vain.
func TestNeverFitsTheContextWindow(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	for _, count := range []string{"auto", "exact", "estimate"} {
		t.Run(count, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{env: []string{"FLUXGATE_COUNT=" + count}})
				a := w.generate(strings.Repeat("a ", 1_048_577), "")
				a.failed(http.StatusBadRequest)
				assert.Empty(t, a.Header().Get("Retry-After"))
				assert.Empty(t, a.ticket())
				w.untouched()
			})
		})
	}
}

// Upstream sometimes refuses single requests larger than TPM. That is learned
// once for each project, and from then on answered without asking.
func TestNeverFitsOnceUpstreamRefusedTheSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{
			keys: projects("alpha", "beta"),
			env:  []string{"FLUXGATE_COUNT=exact", "FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"tpm":1000}}`},
			sim:  func(c *geminisim.Config) { c.RejectOversize = true },
		})
		big := strings.Repeat("a ", 2000)
		a := w.generate(big, "")
		a.failed(http.StatusBadRequest)
		assert.Empty(t, a.Header().Get("Retry-After"))
		assert.ElementsMatch(t, []string{"alpha", "beta"}, w.asked(projectOf))

		w.generate(big+"and more", "").failed(http.StatusBadRequest)
		assert.Len(t, w.sim.Log(), 2, "a second one of that size is not tried")
	})
}

// A bound is not a size: a small text whose bytes exceed a limit that is yet
// unknown has not been refused for its tokens.
func TestAnUpperBoundTeachesNoSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{
			env: []string{"FLUXGATE_CHAIN=" + pro},
			sim: func(c *geminisim.Config) { c.Limits[pro] = geminisim.Limits{RPM: 5, TPM: 3000, RPD: 100} },
		})
		text := strings.Repeat("translate this sentence ", 400) // 9,600 bytes, some 2,400 tokens
		w.generate("1 "+text, "").ok()
		a := w.generate("2 "+text, "") // one more than upstream's TPM allows
		synctestSleep(a.wait())
		w.generate("2 "+text, "").ok()
	})
}

func TestStoreUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: storage.NewMemory(nil)}
		w := newWorld(t, setup{store: store, env: []string{"FLUXGATE_COUNT=exact"}})
		store.setDown(true)
		for _, request := range []struct{ method, path, body string }{
			{"POST", "/generate", body("hello", "")},
			{"POST", "/generate", body("hello", `"model":"gemini-2.5-flash"`)},
			{"GET", "/status", ""},
			{"POST", "/config", `{"mode":"both"}`},
			{"POST", "/config", `{"disable_key":1}`},
		} {
			a := w.do(request.method, request.path, request.body)
			f := a.failed(http.StatusServiceUnavailable)
			assert.Equal(t, "UNAVAILABLE", f.Status)
			assert.Equal(t, "5", a.Header().Get("Retry-After"), request.path)
			assert.NotContains(t, a.Body.String(), "10.1.2.3", "the cause is for the log")
		}
		assert.Contains(t, w.logs.String(), "10.1.2.3")
		store.setDown(false)
		w.untouched()
		assert.Zero(t, w.sim.Stats().Counted)
		w.generate("hello", "").ok()
	})
}

// A probe of the platform must cost nothing, and a store that is down must not
// have every instance restarted.
func TestHealthTouchesNoStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: storage.NewMemory(nil)}
		w := newWorld(t, setup{store: store})
		store.setDown(true)
		before := store.calls
		a := w.do("GET", "/health", "")
		require.Equal(t, http.StatusOK, a.Code)
		assert.Regexp(t, `^{"status":"ok","version":"[0-9.]+",.*"go":"go1[^"]*"}$`, strings.TrimSpace(a.Body.String()))
		assert.Equal(t, before, store.calls)
	})
}
