package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore"
)

// onBothStores runs a test over memory and over the emulator. Every call of open
// is another instance's view of the same database.
func onBothStores(t *testing.T, test func(t *testing.T, open func() storage.Store)) {
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		store := storage.NewMemory(nil)
		test(t, func() storage.Store { return store })
	})
	t.Run("emulator", func(t *testing.T) {
		t.Parallel()
		test(t, func() storage.Store {
			store := gcpfirestore.New(emulatortest.Client(t), "fluxgate", storage.Options{})
			t.Cleanup(func() { _ = store.Close(t.Context()) })
			return store
		})
	})
}

// Twelve instances that start together ask Gemini for its limits once, and all go
// by its answer.
func TestTwelveInstancesAskOnce(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, open func() storage.Store) {
		w := newWorld(t, setup{keys: projects("alpha", "beta"), store: open()})
		w.sim.SetLimits("alpha", pro, geminisim.Limits{RPM: 5, TPM: 250_000, RPD: 40})
		w.sim.SetLimits("beta", pro, geminisim.Limits{RPM: 5, TPM: 250_000, RPD: 40})
		instances := make([]*served, 12)
		for i := range instances {
			instances[i] = w.instanceOver(open())
		}
		var wg sync.WaitGroup
		for _, s := range instances {
			wg.Go(func() {
				_, _, err := s.RefreshPolicy(t.Context(), false)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.Len(t, w.sim.Log(), 1, "one request")
		for _, s := range instances {
			require.EventuallyWithT(t, func(c *assert.CollectT) {
				var out fullStatus
				ask(t, s, "GET", "/status?idle=true", "").decode(&out)
				rpd := out.Projects[0].Models[0].RPD
				assert.Equal(c, "reported", rpd.Source)
				assert.EqualValues(c, 40, rpd.Limit, "a number that lowers a default is believed")
				assert.Equal(c, "discovered", out.ChainSource)
			}, 20*time.Second, 100*time.Millisecond)
		}
	})
}

// What is of no use changes nothing, and is said.
func TestUselessAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]answers.LimitsAnswer{
		"wrong JSON": answers.LimitsBroken, "absurd": answers.LimitsAbsurd, "refused": answers.LimitsRefused, "blocked": answers.LimitsBlocked,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBothStores(t, func(t *testing.T, open func() storage.Store) {
				w := newWorld(t, setup{store: open()})
				w.sim.SetLimitsAnswer(answer)
				var out struct {
					Models  map[string]any
					Refused []struct{ Model, Limit string }
					Error   string
				}
				w.post("/refresh-policy", "", &out)
				assert.True(t, out.Error != "" || len(out.Refused) > 0, "%+v", out)
				s := w.full()
				for _, m := range s.Projects[0].Models {
					for _, l := range []string{m.RPM.Source, m.TPM.Source, m.RPD.Source} {
						assert.Equal(t, "default", l)
					}
				}
			})
		})
	}
	t.Run("fenced JSON", func(t *testing.T) {
		t.Parallel()
		onBothStores(t, func(t *testing.T, open func() storage.Store) {
			w := newWorld(t, setup{store: open()})
			w.sim.SetLimits("alpha", pro, geminisim.Limits{RPM: 2, TPM: 250_000, RPD: 100})
			w.sim.SetLimitsAnswer(answers.LimitsFenced)
			w.post("/refresh-policy", "", new(struct{}))
			assert.EqualValues(t, 2, w.full().Projects[0].Models[0].RPM.Limit)
		})
	})
}

// One invalid prompt, a hundred malformed requests, a caller with another's key:
// no key's health changes. (gemini-flux marked every key for it.)
func TestNobodySpoilsTheKeys(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, open func() storage.Store) {
		const token = "0123456789abcdef-alice"
		w := newWorld(t, setup{keys: projects("alpha", "beta"), store: open(), env: []string{"FLUXGATE_TOKENS=alice:" + token, `FLUXGATE_LIMITS={"pro":{"rpm":1000,"rpd":1000}}`}})
		as := []string{"X-Fluxgate-Token", token}
		native := "/v1beta/models/gemini-2.5-pro:generateContent"
		// Upstream calls it invalid.
		w.do("POST", native, `{"contents":[]}`, as...).failed(http.StatusBadRequest)
		w.sim.SetLimits("alpha", pro, geminisim.Limits{RPM: 1000, TPM: 250_000, RPD: 1000})
		for i := range 99 {
			body := strings.Repeat(`{"contents":[`, i+1)
			for _, path := range []string{"/generate", native, "/v1beta/openai/chat/completions"} {
				assert.Equal(t, http.StatusBadRequest, w.do("POST", path, body, as...).Code, "%d %s", i, path)
			}
		}
		for _, foreign := range []string{"AIzaSyForeignKeyThatIsNotOursAtAll00000", w.cfg.Keys[0].Value.Reveal()} {
			w.do("POST", native, `{"contents":[{"parts":[{"text":"hi"}]}]}`, "X-Goog-Api-Key", foreign).failed(http.StatusUnauthorized)
		}
		a := w.do("GET", "/status?idle=true", "", as...)
		var out status
		a.decode(&out)
		for _, k := range out.Keys {
			assert.Equal(t, "healthy", k.Status, fmt.Sprint("key ", k.Index))
		}
		w.generate("hello", "", as...).ok()
	})
}

// A limit that upstream lowers is learned from its first 429, and obeyed by every
// instance from then on: there is no second one. (What becomes of the lesson a week
// later takes virtual time; see TestLimitsLoweredAndRaised.)
func TestLoweredLimitIsLearnedOnce(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, open func() storage.Store) {
		w := newWorld(t, setup{store: open(), env: []string{"FLUXGATE_CHAIN=" + flash}})
		instances := []*served{w.served, w.instanceOver(open())}
		w.sim.SetLimits("alpha", flash, geminisim.Limits{RPM: 4, TPM: 250_000, RPD: 250})
		answered := 0
		for i := range 16 {
			if ask(t, instances[i%2], "POST", "/generate", body(fmt.Sprint("prompt ", i), `"max_wait":0`)).Code == http.StatusOK {
				answered++
			}
		}
		assert.Equal(t, 4, answered)
		assert.EqualValues(t, 1, w.sim.Stats().RefusedRPM, "one 429 teaches both")
		for _, s := range instances {
			require.EventuallyWithT(t, func(c *assert.CollectT) {
				var out fullStatus
				ask(t, s, "GET", "/status?idle=true", "").decode(&out)
				rpm := out.Projects[0].Models[0].RPM
				assert.Equal(c, "learned", rpm.Source)
				assert.EqualValues(c, 4, rpm.Limit)
			}, 5*time.Second, 100*time.Millisecond)
		}
	})
}
