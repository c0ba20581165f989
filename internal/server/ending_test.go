package server_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/policy"
	"fluxgate.dev/fluxgate/scheduler"
)

// discovered is a world that has read the models list, and goes by it.
func discovered(t *testing.T, s setup) *world {
	w := newWorld(t, s)
	require.Equal(t, http.StatusOK, w.do("POST", "/refresh-policy", "").Code)
	return w
}

func (w *world) chain() []string {
	w.t.Helper()
	var out struct {
		Chain []string `json:"model_chain"`
	}
	w.do("GET", "/status?idle=true", "").decode(&out)
	return out.Chain
}

// sends asks for a model by that path and is served.
func (w *world) sends(path string, header ...string) {
	w.t.Helper()
	a := w.do("POST", path, hello, header...)
	require.Equal(w.t, http.StatusOK, a.Code, a.Body.String())
}

// A model of the chain that answers say is about to be shut down leaves the chain; one
// that has time stays.
func TestRetiringModelLeavesTheChain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stage  string
		ahead  time.Duration // 0: nothing is said
		leaves bool
	}{
		"soon":       {"LEGACY", policy.MaxAge - time.Hour, true},
		"later":      {"LEGACY", policy.MaxAge + time.Hour, false},
		"deprecated": {"DEPRECATED", 0, true},
		"stable":     {"STABLE", 0, false},
	} {
		for _, path := range []string{unaryPath, streamPath} {
			t.Run(name+" "+path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := discovered(t, setup{})
					var end time.Time
					if c.ahead != 0 {
						end = time.Now().Add(c.ahead)
					}
					w.sim.SetModelStatus(pro, c.stage, end)
					assert.Contains(t, w.chain(), pro)
					w.sends(path)
					assert.Equal(t, !c.leaves, slices.Contains(w.chain(), pro), "%v", w.chain())
					w.served = w.instance()
					time.Sleep(time.Minute)
					assert.Equal(t, !c.leaves, slices.Contains(w.chain(), pro), "other instances know")
				})
			})
		}
	}
}

// A model of the chain that is gone has the list asked for again, once an hour at most,
// and the chain is what the list then says.
func TestModelThatIsGoneLeavesTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := discovered(t, setup{keys: projects("alpha", "beta")})
		time.Sleep(policy.RetryAfter)
		w.sim.RemoveModel(pro)
		w.sim.AddModel("gemini-4-argon", geminisim.Limits{RPM: 5, TPM: 250_000, RPD: 100})
		w.sends("/v1beta/models/auto:generateContent")
		assert.Equal(t, "gemini-4-argon", w.chain()[0])
		assert.NotContains(t, w.chain(), pro)

		lists := func() int {
			n := 0
			for _, p := range w.sent.paths() {
				if p == "/v1beta/models" {
					n++
				}
			}
			return n
		}
		before := lists()
		w.sim.ShutDown("", flash, models.NotFound) // and still listed
		for range 20 {
			w.do("POST", "/v1beta/models/"+flash+":generateContent", hello, "X-Fluxgate-Fallback", "chain")
		}
		assert.Equal(t, before, lists(), "not again within the hour")
	})
}

// So it is in every wording.
func TestModelThatIsGoneInAnyWordLeavesTheChain(t *testing.T) {
	for name, wording := range map[string]models.Wording{"new users": models.NewUsers, "not found": models.NotFound, "deprecated": models.Deprecated} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := discovered(t, setup{})
				time.Sleep(policy.RetryAfter)
				w.sim.AddModel("gemini-4-argon", geminisim.Limits{RPM: 5, TPM: 250_000, RPD: 100})
				w.sim.ShutDown("", pro, wording)
				w.sends("/v1beta/models/auto:generateContent")
				assert.Contains(t, w.chain(), "gemini-4-argon", "the list was asked for again")
			})
		})
	}
}

// An operator's chain stays as it is, whatever answers say.
func TestConfiguredChainStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + pro + "," + flash}})
		w.sim.SetModelStatus(pro, "RETIRED", time.Time{})
		w.sends(unaryPath)
		assert.Equal(t, []string{pro, flash}, w.chain())
	})
}

// A model of the chain that can't do what is asked, as open models can't call functions,
// isn't the end of the chain; one that is asked for by its name is.
func TestModelThatCannotDoItIsNotTheEndOfTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up, s := stubbed(refusing(t, pro, "400_not_enabled"))
		_ = up
		w := newWorld(t, s)
		a := w.do("POST", "/v1beta/models/auto:generateContent", hello)
		assert.Equal(t, http.StatusOK, a.Code, a.Body.String())
		assert.Equal(t, flash, a.Header().Get("X-Fluxgate-Model"))
		assert.Contains(t, w.do("POST", unaryPath, hello).failed(http.StatusBadRequest).Message, "is not enabled for")
	})
}

// The weekly question about limits goes to a model that exists, whatever became of those
// that are built in, and of the operator's.
func TestQuestionGoesToAModelThatExists(t *testing.T) {
	for name, env := range map[string][]string{"discovered": nil, "configured": {"FLUXGATE_CHAIN=gemini-4-argon," + flash}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{env: env})
				for _, model := range scheduler.DefaultChain() {
					w.sim.RemoveModel(model)
				}
				w.sim.AddModel("gemini-4-argon", geminisim.Limits{RPM: 5, TPM: 250_000, RPD: 100})
				require.Equal(t, http.StatusOK, w.do("POST", "/refresh-policy", "").Code)
				log := w.sim.Log()
				require.Len(t, log, 1)
				assert.Equal(t, "gemini-4-argon", log[0].Model)
				assert.Zero(t, w.sim.Stats().OtherErrors, "and to no other before")
			})
		})
	}
}
