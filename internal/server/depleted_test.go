package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
)

// A key that is marked because its project can't pay stays marked, however often the
// free check finds that the key is valid.
func TestAFreeCallProvesTheKeyAlone(t *testing.T) {
	for _, wording := range []string{"429_billing_prepaid", "429_billing_cap", "402_billing", "400_free_tier"} {
		t.Run(wording, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				status, text := refusalBody(t, wording)
				calls := 0
				_, s := stubbed(func(h heard) *http.Response {
					if isCall(h) && h.header.Get("X-Goog-Api-Key") != key(3, "").Value {
						calls++
						return respond(status, text)
					}
					return nil
				})
				s.keys = append(projects("alpha", "alpha"), key(3, "beta"))
				w := newWorld(t, s)
				assert.Equal(t, 3, w.generate("hello", `"preferred_key":1`).ok().KeyUsed)
				for range 3 {
					a := w.do("POST", "/validate", "")
					require.Equal(t, http.StatusOK, a.Code)
					assert.Contains(t, a.Body.String(), `"invalid"`)
					assert.Equal(t, 2, w.invalidKeys(), "both keys of the project")
					w.generate("again", "").ok()
				}
				assert.Equal(t, 1, calls)
				// The operator's word counts.
				w.do("POST", "/config", `{"enable_key":1}`)
				assert.Equal(t, 1, w.invalidKeys())
			})
		})
	}
}

// A depleted project is tried by one real request now and then, over all instances,
// and comes back by itself when one passes.
func TestADepletedProjectComesBack(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		status, text := refusalBody(t, "429_billing_prepaid")
		paid := false
		var tries []time.Duration
		start := time.Now()
		_, s := stubbed(func(h heard) *http.Response {
			if isCall(h) && h.header.Get("X-Goog-Api-Key") != key(3, "").Value && !paid {
				tries = append(tries, time.Since(start).Round(time.Minute))
				return respond(status, text)
			}
			return nil
		})
		s.keys = append(projects("alpha", "alpha"), key(3, "beta"))
		s.env = []string{`FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1},"flash":{"rpm":-1,"rpd":-1}}`}
		w := newWorld(t, s)
		other := w.instance()
		w.generate("hello", `"preferred_key":1`).ok()
		for i := range 6 * 60 * 3 {
			at := w.served
			if i%2 > 0 {
				at = other
			}
			a := ask(t, at, "POST", "/generate", body(fmt.Sprint("prompt ", i), ""))
			assert.Equal(t, 3, a.ok().KeyUsed, "served elsewhere all the while")
			synctestSleep(20 * time.Second)
		}
		// After 5, 10, 20, 40, 60, 60 … minutes.
		assert.LessOrEqual(t, len(tries), 1+9, "%v", tries)
		assert.GreaterOrEqual(t, len(tries), 1+7, "%v", tries)
		assert.Equal(t, 2, w.invalidKeys())

		paid = true
		synctestSleep(time.Hour)
		for i := range 20 {
			w.generate(fmt.Sprint("later ", i), "").ok()
			synctestSleep(time.Minute)
		}
		assert.Zero(t, w.invalidKeys())
		assert.Equal(t, 1, ask(t, other, "POST", "/generate", body("back", `"preferred_key":1`)).ok().KeyUsed, "every instance knows")
		assert.Contains(t, w.logs.String(), "project restored")
	})
}

// What came of an attempt to pay again doesn't depend on how the request ends
// otherwise: a caller's mistake restores nothing, and a disabled key is not tried.
func TestOnlyAnAnswerRestoresAProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, text := refusalBody(t, "402_billing")
		_, s := stubbed(first(func(heard) *http.Response { return respond(status, text) }))
		w := newWorld(t, s)
		w.generate("hello", "").failed(http.StatusServiceUnavailable)
		require.Equal(t, 1, w.invalidKeys())
		w.generate("waits", "").failed(http.StatusServiceUnavailable)
		synctestSleep(6 * time.Minute)
		w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", `{"contents":[]}`).failed(http.StatusBadRequest)
		assert.Equal(t, 1, w.invalidKeys())
		w.do("POST", "/config", `{"disable_key":1}`)
		synctestSleep(2 * time.Hour)
		before := strings.Count(w.logs.String(), "depleted project tried")
		w.generate("waits", "").failed(http.StatusServiceUnavailable)
		assert.Equal(t, before, strings.Count(w.logs.String(), "depleted project tried"))
	})
}

// A depleted project is tried by a request that can go elsewhere, and not by one that is sent once or wants another key.
func TestWhoTriesADepletedProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, text := refusalBody(t, "429_billing_prepaid")
		tries := 0
		_, s := stubbed(func(h heard) *http.Response {
			if isCall(h) && h.header.Get("X-Goog-Api-Key") == key(1, "").Value {
				tries++
				return respond(status, text)
			}
			return nil
		})
		s.keys = projects("alpha", "beta")
		s.env = []string{`FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1}}`}
		w := newWorld(t, s)
		w.generate("hello", `"preferred_key":1`).ok()
		require.Equal(t, 1, tries)
		w.generate("an instance looks from its second request on", "").ok()
		synctestSleep(6 * time.Minute)
		for i := range 3 {
			w.generate(fmt.Sprint("once ", i), `"retry":false`).ok()
			w.generate(fmt.Sprint("there ", i), `"preferred_key":2`).ok()
		}
		require.Equal(t, 1, tries)
		w.generate("anywhere", "").ok()
		assert.Equal(t, 2, tries)
	})
}

// A project that serves again has back those of its keys that were left alone for its sake, and no others; when it is
// depleted anew, it is tried as soon as at first.
func TestWhatServesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		status, text := refusalBody(t, "402_billing")
		leakedStatus, leaked := refusalBody(t, "403_leaked")
		paid, tries, leaks := false, 0, 0
		_, s := stubbed(func(h heard) *http.Response {
			switch sent := h.header.Get("X-Goog-Api-Key"); {
			case sent == key(1, "").Value:
				if isCall(h) {
					leaks++
				}
				return respond(leakedStatus, leaked)
			case isCall(h) && sent == key(2, "").Value && !paid:
				tries++
				return respond(status, text)
			}
			return nil
		})
		s.keys = append(projects("alpha", "alpha"), key(3, "beta"))
		w := newWorld(t, s)
		w.generate("finds the leaked key", `"preferred_key":1`).ok()
		w.generate("finds the depleted project", `"preferred_key":2`).ok()
		require.Equal(t, 2, w.invalidKeys())
		leaks = 0
		lasts := func(minutes int) {
			for i := range minutes {
				w.generate(fmt.Sprint("hello ", i), "").ok()
				synctestSleep(time.Minute)
			}
		}
		lasts(4 * 60) // and its pauses have grown
		paid = true
		lasts(65)
		assert.Equal(t, 1, w.invalidKeys(), "the leaked one")
		assert.Zero(t, leaks, "which isn't sent with again")
		paid, tries = false, 0
		w.generate("finds it once more", `"preferred_key":2`).ok()
		require.Equal(t, 1, tries)
		for i := range 7 {
			w.generate(fmt.Sprint("again ", i), "").ok()
			synctestSleep(time.Minute)
		}
		assert.Equal(t, 2, tries, "after five minutes")
	})
}

// An answer that ends in the refusal after all is none.
func TestARefusalInMidAnswerRestoresNoProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, text := refusalBody(t, "429_billing_prepaid")
		begun := false
		_, s := stubbed(func(h heard) *http.Response {
			switch {
			case !isCall(h) || h.header.Get("X-Goog-Api-Key") != key(1, "").Value:
				return nil
			case begun:
				return respond(http.StatusOK, event("Once")+text, "Content-Type", "text/event-stream")
			}
			return respond(status, text)
		})
		s.keys = projects("alpha", "beta")
		w := newWorld(t, s)
		w.generate("hello", `"preferred_key":1`).ok()
		w.sends(streamPath)
		begun = true
		synctestSleep(6 * time.Minute)
		w.sends(streamPath)
		assert.Contains(t, w.logs.String(), "depleted project tried")
		assert.Equal(t, 1, w.invalidKeys())
		assert.NotContains(t, w.logs.String(), "project restored")
	})
}
