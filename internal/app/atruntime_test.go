package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/storage"
)

// Which projects are used first is set, and unset, at run time, on all instances.
func TestPreferAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, sim := withKeys(t, 2, "FLUXGATE_CHAIN=gemini-2.5-flash", "GEMINI_TIER_1=free", "GEMINI_TIER_2=1", "FLUXGATE_PREFER=free")
		store := storage.NewMemory(nil)
		var instances []*App
		for range 2 {
			a, err := Start(t.Context(), cfg, Options{Logger: discard, Store: store, Transport: sim.Transport()})
			require.NoError(t, err)
			defer func() { assert.NoError(t, a.Close(t.Context())) }()
			instances = append(instances, a)
		}
		// used are the projects that some requests of both instances went to.
		n := 0
		used := func() map[string]int {
			before, projects := len(sim.Log()), map[string]int{}
			for range 8 {
				n++
				rec := post(instances[n%2], "/generate", fmt.Sprintf(`{"prompt":"request %d"}`, n))
				require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
			}
			for _, e := range sim.Log()[before:] {
				projects[e.Project]++
			}
			time.Sleep(2 * time.Minute)
			return projects
		}
		inForce := func(value, source string) (text string) {
			t.Helper()
			rec := httptest.NewRecorder()
			instances[0].ServeHTTP(rec, httptest.NewRequest("GET", "http://localhost/status", nil))
			assert.Contains(t, rec.Body.String(), fmt.Sprintf(`"prefer":%q,"prefer_source":%q`, value, source))
			return rec.Body.String()
		}
		inForce("free", "configured")
		assert.Equal(t, map[string]int{"team-1": 8}, used())
		rec := post(instances[0], "/config", `{"prefer":"paid"}`)
		assert.Contains(t, rec.Body.String(), `"prefer":"paid"`)
		time.Sleep(storage.ControlAge)
		assert.Contains(t, inForce("paid", "run_time"), `"what":"prefer paid"`)
		assert.Equal(t, map[string]int{"team-2": 8}, used())
		assert.Contains(t, post(instances[0], "/config", `{"prefer":"any"}`).Body.String(), `"prefer":"any"`)
		inForce("any", "run_time")
		assert.Contains(t, post(instances[0], "/config", `{"prefer":null}`).Body.String(), `"prefer":"free"`)
		time.Sleep(storage.ControlAge)
		assert.Contains(t, inForce("free", "configured"), `"what":"prefer as configured"`)
		assert.Equal(t, map[string]int{"team-1": 8}, used())
		for _, body := range []string{`{"prefer":"cheap"}`, `{"prefer":""}`, `{"prefer":1}`} {
			rec := post(instances[0], "/config", body)
			assert.Equal(t, http.StatusBadRequest, rec.Code)
			assert.Contains(t, rec.Body.String(), "prefer: want free, paid, any, or null")
		}
	})
}

// A budget is one of the caller's own quotas: in headers, in whole tokens and millionths of a
// dollar, and in /plan when it is in the way.
func TestBudgetsAreQuotas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const alice, bob = "0123456789abcdef", "fedcba9876543210"
		cfg, sim := withKeys(t, 1, "FLUXGATE_CHAIN=gemini-2.5-flash", "FLUXGATE_COUNT=exact", "FLUXGATE_TOKENS=alice:"+alice+",bob:"+bob,
			`FLUXGATE_CALLERS={"alice":{"rpm":9,"tokens_per_month":30000,"dollars_per_day":0.5}}`)
		a, err := Start(t.Context(), cfg, Options{Logger: discard, Store: storage.NewMemory(nil), Transport: sim.Transport()})
		require.NoError(t, err)
		defer func() { assert.NoError(t, a.Close(t.Context())) }()
		ask := func(path, token, body string) *httptest.ResponseRecorder {
			rec := httptest.NewRecorder()
			r := httptest.NewRequest("POST", "http://localhost"+path, strings.NewReader(body))
			r.Header.Set("X-Fluxgate-Token", token)
			a.ServeHTTP(rec, r)
			return rec
		}
		time.Sleep(24 * time.Hour) // synctest begins on the last of December, Pacific time
		rec := ask("/generate", alice, `{"prompt":"one two"}`)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
		assert.Equal(t, `"rpm";q=9;w=60, "tokens_per_month";q=30000;w=2678400;qu="tokens", "dollars_per_day";q=500000;w=86400;qu="microdollars"`,
			rec.Header().Get("RateLimit-Policy"), "of 31 days")
		assert.Regexp(t, `, "tokens_per_month";r=2\d{4};t=\d+, "dollars_per_day";r=4\d{5};t=\d+$`, rec.Header().Get("RateLimit"))
		assert.Empty(t, ask("/generate", bob, `{"prompt":"one two"}`).Header().Get("RateLimit"))

		type own struct {
			Start  *time.Time
			WaitMS *int64 `json:"wait_ms"`
			Cause  string
			Budget string
		}
		plan := func(token string, tokens int) *own {
			t.Helper()
			rec := ask("/plan", token, fmt.Sprintf(`{"tokens":%d}`, tokens))
			require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
			var p struct {
				Own  *own
				Best *struct{}
			}
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &p))
			assert.NotNil(t, p.Best, "the projects have room")
			return p.Own
		}
		assert.Nil(t, plan(alice, 100), "there is room")
		over := plan(alice, 25_000)
		require.NotNil(t, over)
		assert.Equal(t, "TokensPerMonthPerCaller", over.Budget)
		require.NotNil(t, over.Start)
		assert.Equal(t, time.Date(2000, 2, 1, 8, 0, 0, 0, time.UTC), over.Start.UTC())
		assert.InDelta(t, time.Until(*over.Start).Milliseconds(), *over.WaitMS, 1)
		over = plan(alice, 31_000)
		require.NotNil(t, over)
		assert.Nil(t, over.Start, "never")
		assert.Nil(t, plan(bob, 31_000), "he has no budget")

		for i := range 9 {
			ask("/generate", alice, fmt.Sprintf(`{"prompt":"%d"}`, i))
		}
		over = plan(alice, 100)
		require.NotNil(t, over)
		assert.Equal(t, "rpm", over.Cause)
	})
}
