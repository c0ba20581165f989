package server_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore"
)

func TestConfigMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		other := w.instance()
		a := w.do("POST", "/config", `{"mode":"flash_only"}`)
		require.Equal(t, http.StatusOK, a.Code, a.Body.String())
		assert.JSONEq(t, `{"status":"ok","mode":"flash_only","prefer":"any","model_chain":["gemini-2.5-flash","gemini-3-flash-preview"],"limits":{}}`, a.Body.String())
		assert.Equal(t, flash, w.generate("here", "").ok().ModelUsed)
		assert.Equal(t, flash, ask(t, other, "POST", "/generate", body("there", "")).ok().ModelUsed)
		assert.Equal(t, "flash_only", w.status().Mode)
		assert.Equal(t, []string{flash, "gemini-3-flash-preview"}, w.status().Chain)
	})
}

// What an instance knew of Gemini takes nobody back behind what another has found since.
func TestNoRefreshIsUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		other := w.instance()
		reported := func() int64 {
			synctestSleep(2 * time.Second) // the control document that an instance knows is a second old at most
			rpd := w.full().Projects[0].Models[0].RPD
			require.Equal(t, "reported", rpd.Source)
			return rpd.Limit
		}
		for _, rpd := range []int64{40, 30} {
			w.sim.SetLimits("alpha", pro, geminisim.Limits{RPM: 5, TPM: 250_000, RPD: rpd})
			_, ran, err := w.RefreshPolicy(t.Context(), true)
			require.NoError(t, err)
			require.True(t, ran)
			assert.Equal(t, rpd, reported())
			_, ran, err = other.RefreshPolicy(t.Context(), false) // it knows for ten seconds what it read first
			require.NoError(t, err)
			assert.False(t, ran)
			assert.Equal(t, rpd, reported())
		}
	})
}

func TestConfigKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: projects("alpha", "beta")})
		require.Equal(t, http.StatusOK, w.do("POST", "/config", `{"disable_key":1}`).Code)
		for range 5 {
			assert.Equal(t, 2, w.generate("hello", "").ok().KeyUsed)
		}
		assert.Equal(t, "disabled", w.status().Keys[0].Status)
		require.Equal(t, http.StatusOK, w.do("POST", "/config", `{"disable_key":2}`).Code)
		w.generate("hello", "").failed(http.StatusServiceUnavailable)
		require.Equal(t, http.StatusOK, w.do("POST", "/config", `{"enable_key":1,"mode":"pro_only"}`).Code)
		assert.Equal(t, 1, w.generate("hello", "").ok().KeyUsed)
	})
}

func TestConfigRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=gemini-2.5-pro,gemini-2.5-flash"}})
		for _, c := range []struct {
			body   string
			status int
			names  string
		}{
			{`{}`, 400, "mode, prefer, disable_key, enable_key, chain or limits"},
			{``, 400, "ends too early"},
			{`{"mode":"turbo"}`, 400, "mode"},
			{`{"mode":""}`, 400, "mode"},
			{`{"mode":"flash_lite_only"}`, 400, "leaves no model"}, // every request would fail from then on
			{`{"mode":"both"}{"mode":"both"}`, 400, "more than one"},
			{`{"disable_key":"1"}`, 400, "disable_key"},
			{`{"disable_key":1,"enable_key":1}`, 400, "disable_key"},
			{`{"key":1}`, 400, "key"},
			{`{"disable_key":2}`, 404, "no key 2"},
			{`{"enable_key":0}`, 404, "no key 0"},
			// All of it is checked before any of it is done.
			{`{"mode":"pro_only","disable_key":7}`, 404, "no key 7"},
		} {
			assert.Contains(t, w.do("POST", "/config", c.body).failed(c.status).Message, c.names, c.body)
		}
		assert.Equal(t, "both", w.status().Mode)
		assert.Equal(t, "healthy", w.status().Keys[0].Status)
	})
}

// What an admin does on one instance reaches every other within the age of the
// control document.
func TestConfigReachesOtherInstances(t *testing.T) {
	t.Parallel()
	open := func() storage.Store {
		store := gcpfirestore.New(emulatortest.Client(t), "fluxgate", storage.Options{})
		t.Cleanup(func() { _ = store.Close(t.Context()) })
		return store
	}
	w := newWorld(t, setup{keys: projects("alpha", "beta"), store: open()})
	other := w.instanceOver(open())
	generate := func() answer {
		return ask(t, other, "POST", "/generate", body(time.Now().String(), `"max_wait":0`))
	}
	generate().ok() // it has read everything once
	require.Equal(t, http.StatusOK, w.do("POST", "/config", `{"disable_key":1,"mode":"flash_lite_only"}`).Code)
	start := time.Now()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var out reply
		assert.NoError(c, json.Unmarshal(generate().Body.Bytes(), &out))
		assert.Equal(c, "gemini-2.5-flash-lite", out.ModelUsed)
		assert.Equal(c, 2, out.KeyUsed)
	}, storage.ControlAge+5*time.Second, 500*time.Millisecond)
	t.Logf("after %v", time.Since(start).Round(100*time.Millisecond))
}

// /status is gemini-flux's, with what is ours beside it.
func TestStatusShape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: []geminisim.Key{key(1, "alpha"), key(2, "")}})
		w.generate("hello", `"preferred_key":1`).ok()
		a := w.do("GET", "/status?idle=true", "")
		var out map[string]json.RawMessage
		a.decode(&out)
		for _, field := range []string{"keys", "mode", "policy", "model_chain", "projects", "store", "now", "resets_at"} {
			assert.Contains(t, out, field)
		}
		var keys []map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(out["keys"], &keys))
		require.Len(t, keys, 2)
		for _, field := range []string{"key_index", "status", "models", "last_used_at"} {
			assert.Contains(t, keys[0], field, "gemini-flux's")
		}
		assert.JSONEq(t, `"healthy"`, string(keys[0]["status"]))
		assert.JSONEq(t, `946684800`, string(keys[0]["last_used_at"]))
		assert.JSONEq(t, `0`, string(keys[1]["last_used_at"]))
		var models map[string]map[string]int64
		require.NoError(t, json.Unmarshal(keys[0]["models"], &models))
		assert.Len(t, models, 6)
		assert.Equal(t, map[string]int64{"used_today": 1, "remaining_today": 99}, models[pro])

		var policy map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(out["policy"], &policy))
		assert.ElementsMatch(t, []string{"pro", "flash", "flash_lite", "token_cooldown_seconds", "daily_reset_time_pt"},
			slices.Collect(maps.Keys(policy)))
		assert.JSONEq(t, `{"requests_per_day":100,"tokens_per_minute":250000,"requests_per_minute":5}`, string(policy["pro"]))
		assert.JSONEq(t, `240`, string(policy["token_cooldown_seconds"]), "a million tokens at 250,000 a minute")

		var resets time.Time
		require.NoError(t, json.Unmarshal(out["resets_at"], &resets))
		assert.Equal(t, time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC), resets, "midnight in California")

		state := w.status()
		assert.Equal(t, "alpha", state.Projects[0].Project)
		m := state.Projects[0].Models[0]
		assert.Equal(t, pro, m.Model)
		assert.EqualValues(t, 5, m.RPM.Limit)
		assert.EqualValues(t, 1, m.RPM.Used)
		assert.EqualValues(t, 1, m.RPD.Used)
		assert.Equal(t, "default", m.TPM.Source)
		assert.Nil(t, m.Block)
	})
}

// An operator's limits show as such, and a spent pool as exhausted.
func TestStatusExhausted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"rpd":1}}`}})
		w.generate("hello", "").ok()
		state := w.status()
		assert.Equal(t, "exhausted", state.Keys[0].Status)
		assert.Zero(t, state.Keys[0].Models[pro].Remaining)
		assert.Equal(t, "operator", state.Projects[0].Models[0].RPD.Source)
	})
}
