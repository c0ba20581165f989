package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/storage"
)

// post sends a body and decodes the answer, which has to be a good one.
func (w *world) post(path, body string, out any) {
	w.t.Helper()
	a := w.do("POST", path, body)
	require.Equal(w.t, http.StatusOK, a.Code, a.Body.String())
	a.decode(out)
}

// A fullStatus is what /status says beyond gemini-flux's fields.
type fullStatus struct {
	Mode        string   `json:"mode"`
	ModeSource  string   `json:"mode_source"`
	Chain       []string `json:"model_chain"`
	ChainSource string   `json:"chain_source"`
	Projects    []struct {
		Project string `json:"project"`
		Models  []struct {
			Model         string
			RPM, TPM, RPD struct {
				Limit, Used, Left int64
				Source            string
				Since             *time.Time
			}
			TokensToday int64 `json:"tokens_today"`
			Bookings    int
			Booked      []struct{ Start, End time.Time }
			Sent        []struct {
				Start, End       time.Time
				Tokens, Requests int64
			}
			Block *struct {
				Until time.Time
				Cause string
			}
			Probing  bool
			NextFree map[string]*time.Time `json:"next_free"`
		}
	}
	Callers []struct {
		Caller   string
		Requests int64 `json:"requests_today"`
		Tokens   int64 `json:"tokens_today"`
	}
	Errors     map[string]int64
	Operations struct{ Reads, Writes int64 }
	Validation *struct{ At time.Time }
	Events     []struct{ Who, What string }
	History    []struct {
		Day, Project, Model string
		Requests, Tokens    int64
	}
}

func (w *world) full(header ...string) (out fullStatus) {
	w.t.Helper()
	a := w.do("GET", "/status?idle=true", "", header...)
	require.Equal(w.t, http.StatusOK, a.Code, a.Body.String())
	a.decode(&out)
	return out
}

// said returns what the events say, newest first.
func (s fullStatus) said() string {
	var text []string
	for _, e := range s.Events {
		text = append(text, e.Who+": "+e.What)
	}
	return strings.Join(text, "\n")
}

// What upstream lowers at noon is learned from its first 429 and obeyed from then
// on; what it raises again is found by the probe a week later.
func TestLimitsLoweredAndRaised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{`FLUXGATE_CHAIN=gemini-2.5-flash`, `FLUXGATE_LIMITS={"flash":{"rpm":10}}`}})
		refusals := func() int64 {
			s := w.sim.Stats()
			return s.RefusedRPM + s.RefusedTPM + s.RefusedRPD
		}
		// minute asks as often as it takes to find the limit, and returns how many
		// were answered within a minute.
		n := 0
		minute := func() (answered int) {
			for range 15 {
				n++
				if w.generate(time.Now().String()+strings.Repeat(".", n%50), `"max_wait":0`).Code == http.StatusOK {
					answered++
				}
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(2 * time.Minute)
			return answered
		}
		assert.Equal(t, 10, minute())
		w.sim.SetLimits("alpha", flash, geminisim.Limits{RPM: 4, TPM: 250_000, RPD: 250})
		assert.Equal(t, 4, minute())
		require.EqualValues(t, 1, refusals(), "the first 429 teaches")
		for range 3 {
			assert.Equal(t, 4, minute())
		}
		assert.EqualValues(t, 1, refusals(), "and there is no second one")
		rpm := w.full().Projects[0].Models[0].RPM
		assert.Equal(t, "learned", rpm.Source)
		assert.EqualValues(t, 4, rpm.Limit)
		require.NotNil(t, rpm.Since)
		assert.Contains(t, w.full().said(), "fluxgate: learned from a 429: gemini-2.5-flash on alpha has 4 requests per minute, not 10")

		time.Sleep(24 * time.Hour)
		assert.Equal(t, 4, minute(), "still lowered: the probe is refused")
		assert.EqualValues(t, 2, refusals(), "one labelled probe a day")
		assert.Equal(t, 4, minute())
		assert.EqualValues(t, 2, refusals())

		w.sim.SetLimits("alpha", flash, geminisim.Limits{RPM: 10, TPM: 250_000, RPD: 250})
		assert.Equal(t, 4, minute(), "not yet known")
		time.Sleep(24 * time.Hour)
		assert.Equal(t, 10, minute(), "found by the probe")
		assert.EqualValues(t, 2, refusals())
		assert.Equal(t, "operator", w.full().Projects[0].Models[0].RPM.Source)
		assert.Contains(t, w.full().said(), "fluxgate: probe answered: the learned rpm limit of gemini-2.5-flash on alpha no longer holds")
		assert.Contains(t, w.logs.String(), `msg="probe of a limit"`)
	})
}

// The chain and the limits are set, and unset, at run time.
func TestConfigChainAndLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{`FLUXGATE_LIMITS={"pro":{"rpm":3}}`}})
		other := w.instance()
		var out struct {
			Chain  []string                  `json:"model_chain"`
			Limits map[string]storage.Limits `json:"limits"`
		}
		w.post("/config", `{"chain":["models/gemini-2.5-flash"],"limits":{"gemini-2.5-flash":{"rpm":1}}}`, &out)
		assert.Equal(t, []string{flash}, out.Chain)
		assert.EqualValues(t, 1, *out.Limits[flash].RPM)
		assert.Equal(t, flash, w.generate("one", "").ok().ModelUsed)
		assert.Equal(t, "rpm", causeOf(ask(t, other, "POST", "/generate", body("two", ""))), "on the other instance too")

		s := w.full()
		assert.Equal(t, "run_time", s.ChainSource)
		assert.Equal(t, "run_time", s.Projects[0].Models[0].RPM.Source)
		assert.NotNil(t, s.Projects[0].Models[0].RPM.Since)
		assert.Contains(t, s.said(), "chain gemini-2.5-flash")
		assert.Contains(t, s.said(), "limits gemini-2.5-flash: rpm=1")

		out.Limits = nil
		w.post("/config", `{"chain":null,"limits":{}}`, &out)
		assert.Len(t, out.Chain, 6)
		assert.Empty(t, out.Limits)
		assert.Equal(t, pro, w.generate("three", "").ok().ModelUsed)
		assert.Equal(t, "operator", w.full().Projects[0].Models[0].RPM.Source)

		for body, names := range map[string]string{
			`{"chain":"gemini-2.5-pro"}`:               "list of model names",
			`{"chain":["a b"]}`:                        "chain",
			`{"chain":["a","a"]}`:                      "twice",
			`{"chain":["a,b"]}`:                        "list of model names",
			`{"limits":{"gemini-2.5-pro":{"rpm":-7}}}`: "limits",
			`{"limits":[]}`:                            "limits",
			`{"chain":["x-flash"],"mode":"pro_only"}`:  "leaves no model",
		} {
			assert.Contains(t, w.do("POST", "/config", body).failed(http.StatusBadRequest).Message, names, body)
		}
		assert.Equal(t, "default", w.full().ChainSource, "nothing of it was done")
	})
}

// causeOf returns the limit that a 429 names.
func causeOf(a answer) string {
	switch text := a.Body.String(); {
	case a.Code != http.StatusTooManyRequests:
		return ""
	case strings.Contains(text, "PerDay"):
		return "rpd"
	case strings.Contains(text, "InputTokens"):
		return "tpm"
	}
	return "rpm"
}

// Limits that an administrator lowers move the bookings that no longer fit.
func TestLoweredLimitsMoveBookings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{`FLUXGATE_CHAIN=gemini-2.5-flash`, `FLUXGATE_LIMITS={"flash":{"rpm":2}}`}})
		w.generate("a", "").ok()
		w.generate("b", "").ok()
		first := w.generate("c", "", "X-Fluxgate-Book", "true").wait()
		second := w.generate("d", "", "X-Fluxgate-Book", "true").wait()
		require.InDelta(t, first.Seconds(), second.Seconds(), 1)
		w.post("/config", `{"limits":{"flash":{"rpm":1}}}`, new(struct{}))
		booked := w.full().Projects[0].Models[0].Booked
		require.Len(t, booked, 2)
		assert.Greater(t, booked[1].Start.Sub(booked[0].Start), time.Minute)
		time.Sleep(first + time.Second)
		w.generate("c", "").ok()
		assert.Greater(t, w.generate("d", "").wait(), 50*time.Second)
	})
}

// "When could 450,000 tokens go?"
func TestPlan(t *testing.T) {
	type candidate struct {
		Project, Model, Cause string
		Start                 *time.Time
		WaitMS                *int64 `json:"wait_ms"`
		Limits                struct{ RPM, TPM, RPD int64 }
	}
	type plan struct {
		Tokens     int64
		Counted    bool
		Best       *candidate
		Candidates []candidate
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{
			keys: projects("alpha", "beta"), env: []string{"FLUXGATE_CHAIN=gemini-2.5-pro,gemini-2.5-flash", "FLUXGATE_COUNT=exact"},
		})
		ask := func(body string) (p plan) {
			w.post("/plan", body, &p)
			return p
		}
		p := ask(`{"tokens":450000}`)
		require.Len(t, p.Candidates, 4)
		assert.Equal(t, candidate{Project: "alpha", Model: pro, Start: p.Best.Start, WaitMS: new(int64), Limits: p.Best.Limits}, *p.Best)
		assert.EqualValues(t, 5, p.Best.Limits.RPM)

		w.generate("one", `"preferred_key":1`).ok()
		w.generate("two", `"preferred_key":2`).ok()
		p = ask(`{"tokens":450000,"mode":"pro_only"}`)
		require.Len(t, p.Candidates, 2)
		for _, c := range p.Candidates {
			assert.Equal(t, "tpm", c.Cause, "it has to be alone")
			assert.InDelta(t, 60_500, *c.WaitMS, 1000)
		}
		assert.Equal(t, flash, ask(`{"tokens":450000,"max_wait":5}`).Best.Model)

		p = ask(`{"prompt":"Hello world, how are you?"}`)
		assert.True(t, p.Counted)
		assert.EqualValues(t, 9, p.Tokens)
		p = ask(`{"contents":[{"parts":[{"text":"Hello world, how are you?"}]}],"model":"models/gemini-2.5-flash"}`)
		assert.Len(t, p.Candidates, 2)
		assert.EqualValues(t, 9, p.Tokens)

		w.post("/config", `{"disable_key":1}`, new(struct{}))
		p = ask(`{"tokens":1}`)
		assert.Equal(t, "beta", p.Best.Project)
		assert.Equal(t, "no_usable_key", p.Candidates[0].Cause)
		assert.Nil(t, p.Candidates[0].Start)
		p = ask(`{"tokens":2000000}`)
		assert.Nil(t, p.Best)
		assert.Equal(t, "too_large", p.Candidates[3].Cause)

		for _, body := range []string{``, `[]`, `{}`, `{"tokens":0}`, `{"tokens":"1"}`, `{"tokens":1,"mode":"x"}`, `{"tokens":1,"foo":1}`, `{"contents":[],"model":7}`} {
			w.do("POST", "/plan", body).failed(http.StatusBadRequest)
		}
		assert.Len(t, w.sim.Log(), 2, "nothing was sent but the two")
		s := w.full()
		assert.Zero(t, s.Projects[0].Models[0].Bookings, "and nothing booked")
	})
}

// An administrator's word that what was learned no longer holds.
func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: projects("alpha", "beta"), env: []string{"FLUXGATE_CHAIN=gemini-2.5-flash"}})
		other := w.instance()
		w.sim.SetKeyState(key(1, "").Value, credentials.Leaked)
		w.generate("one", `"preferred_key":1`).ok()
		require.Equal(t, "invalid", w.status().Keys[0].Status)
		w.sim.SetKeyState(key(1, "").Value, credentials.Healthy)
		w.post("/reset", `{"key":1}`, new(struct{}))
		assert.Equal(t, "healthy", w.status().Keys[0].Status)
		assert.Equal(t, 1, ask(t, other, "POST", "/generate", body("two", `"preferred_key":1`)).ok().KeyUsed)
		assert.Contains(t, w.full().said(), "key 1 reset")
		assert.Contains(t, w.full().said(), "fluxgate: key 1 is invalid: leaked")
		for body, status := range map[string]int{`{}`: 400, `{"key":"1"}`: 400, `{"key":9}`: 404} {
			w.do("POST", "/reset", body).failed(status)
		}
	})
}

// Who used what, upstream's errors, and what the database was asked.
func TestStatusCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const token = "0123456789abcdef-"
		w := newWorld(t, setup{keys: projects("alpha", "beta"), env: []string{
			"FLUXGATE_TOKENS=alice:" + token + "a,bob:" + token + "b", "FLUXGATE_ADMIN_TOKENS=root:" + token + "r",
		}})
		as := func(who string) []string { return []string{"X-Fluxgate-Token", token + who} }
		w.generate("hello", "", as("a")...).ok()
		w.generate("hello again", "", as("a")...).ok()
		w.generate("hi", "", as("b")...).ok()
		w.sim.FailNext(1, faults.Unavailable503)
		w.generate("unlucky", `"retry":false`, as("b")...).failed(http.StatusServiceUnavailable)
		time.Sleep(time.Second)
		s := w.full(as("r")...)
		require.Len(t, s.Callers, 2)
		total := map[string]int64{}
		for _, c := range s.Callers {
			total[c.Caller] = c.Requests
			assert.Positive(t, c.Tokens)
		}
		assert.Equal(t, map[string]int64{"alice": 2, "bob": 2}, total)
		assert.Equal(t, map[string]int64{"server": 1}, s.Errors)
		assert.Zero(t, s.Operations.Writes, "memory is no database")

		s = w.full(as("a")...)
		assert.Empty(t, s.Callers, "other callers are not a caller's business")
		assert.Empty(t, s.Events)
		for _, path := range []string{"/config", "/validate", "/refresh-policy", "/reset"} {
			w.do("POST", path, `{}`, as("a")...).failed(http.StatusForbidden)
		}
	})
}

// Finished days are kept by the first request of the next one.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.generate("hello", "").ok()
		assert.Empty(t, w.full().History, "today isn't finished")
		time.Sleep(24 * time.Hour)
		w.generate("hello", "").ok()
		time.Sleep(48 * time.Hour)
		w.generate("hello", "").ok()
		time.Sleep(time.Second)
		days := w.full().History
		require.Len(t, days, 2)
		assert.Equal(t, "alpha", days[0].Project)
		assert.Equal(t, pro, days[0].Model)
		assert.EqualValues(t, 1, days[0].Requests)
		assert.Positive(t, days[0].Tokens)
		assert.Greater(t, days[0].Day, days[1].Day, "newest first")
	})
}

// Every instant that is told is UTC in milliseconds, and one that never comes is
// null.
func TestStatusInstants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{`FLUXGATE_LIMITS={"gemini-2.5-pro":{"rpd":0}}`}})
		var out struct {
			Now      json.RawMessage
			Projects []struct {
				Models []struct {
					NextFree map[string]json.RawMessage `json:"next_free"`
				}
			}
		}
		w.do("GET", "/status?idle=true", "").decode(&out)
		assert.Equal(t, `"2000-01-01T00:00:00.000Z"`, string(out.Now))
		assert.Equal(t, "null", string(out.Projects[0].Models[0].NextFree["1000"]))
		assert.Equal(t, `"2000-01-01T00:00:00.000Z"`, string(out.Projects[0].Models[1].NextFree["1000000"]))
	})
}

// TestOthersPartIsLeftToThem: where an operator has named less than a project has, others may use the rest. That they have, so that
// a 429 names all of it, gives nobody here more.
func TestOthersPartIsLeftToThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{`FLUXGATE_CHAIN=gemini-2.5-flash`, `FLUXGATE_LIMITS={"flash":{"rpm":2}}`}})
		w.sim.SetLimits("alpha", flash, geminisim.Limits{RPM: 5, TPM: 250_000, RPD: 250})
		for range 5 {
			r, err := http.NewRequestWithContext(t.Context(), "POST", "https://generativelanguage.googleapis.com/v1beta/models/"+flash+":generateContent",
				strings.NewReader(`{"contents":[{"parts":[{"text":"Others"}]}]}`))
			require.NoError(t, err)
			r.Header.Set("X-Goog-Api-Key", w.cfg.Keys[0].Value.Reveal())
			resp, err := w.sim.Transport().RoundTrip(r)
			require.NoError(t, err)
			_ = resp.Body.Close()
			require.Equal(t, http.StatusOK, resp.StatusCode)
		}
		assert.Equal(t, http.StatusTooManyRequests, w.generate("Refused", `"max_wait":0`).Code)
		require.EqualValues(t, 1, w.sim.Stats().RefusedRPM)
		time.Sleep(2 * time.Minute)
		for _, want := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
			assert.Equal(t, want, w.generate(time.Now().String(), `"max_wait":0`).Code)
			time.Sleep(time.Second)
		}
		rpm := w.full().Projects[0].Models[0].RPM
		assert.Equal(t, "operator", rpm.Source)
		assert.EqualValues(t, 2, rpm.Limit)
		assert.NotContains(t, w.full().said(), "learned from a 429")
	})
}
