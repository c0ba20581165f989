package geminisim

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/geminisim/models"
)

// listOf returns the names that the models list has.
func listOf(t *testing.T, s *Server) (names []string) {
	t.Helper()
	var page struct{ Models []models.Info }
	do(t, s, "GET", "/v1beta/models?pageSize=1000", "", "x-goog-api-key", key1).decode(t, &page)
	for _, m := range page.Models {
		names = append(names, strings.TrimPrefix(m.Name, "models/"))
	}
	return names
}

// TestModelsComeAndGo: the list changes while the server runs, and what is
// listed isn't always to be had.
func TestModelsComeAndGo(t *testing.T) {
	s, _ := newSim(Config{})
	const fresh = "gemini-3.6-flash"
	before := listOf(t, s)
	assert.Equal(t, 404, ask(t, s, key1, fresh, 1).status)
	s.AddModel(fresh, Limits{RPM: 1, TPM: -1, RPD: -1})
	assert.Equal(t, append(before, fresh), listOf(t, s))
	assert.Equal(t, 200, ask(t, s, key1, fresh, 1).status)
	assert.Equal(t, 429, ask(t, s, key1, fresh, 1).status)
	s.AddModel(fresh, Limits{RPM: 2, TPM: -1, RPD: -1})
	assert.Equal(t, 200, ask(t, s, key1, fresh, 1).status, "the second time it sets the limits")
	assert.Len(t, listOf(t, s), len(before)+1)

	s.RetireModel("alpha", "gemini-flash-latest")
	r := ask(t, s, key1, flash, 1)
	assert.Equal(t, 404, r.status)
	assert.Contains(t, r.body, "This model models/"+flash+" is no longer available to new users.")
	assert.Equal(t, 404, post(t, s, "models/"+flash+":countTokens", prompt("x")).status)
	assert.Equal(t, 200, ask(t, s, key2, flash, 1).status, "another project has it still")
	s.RetireModel("", flash)
	assert.Equal(t, 404, ask(t, s, key2, flash, 1).status)
	assert.Contains(t, listOf(t, s), flash)
	s.AddModel(flash, Limits{RPM: -1, TPM: -1, RPD: -1})
	assert.Equal(t, 200, ask(t, s, key1, flash, 1).status)
	assert.Equal(t, 200, ask(t, s, key2, flash, 1).status)

	s.RemoveModel("gemini-2.5-pro")
	s.RemoveModel("no-such-model")
	s.RetireModel("", "no-such-model")
	assert.NotContains(t, listOf(t, s), "gemini-2.5-pro")
	r = ask(t, s, key1, "gemini-2.5-pro", 1)
	assert.Equal(t, 404, r.status)
	assert.Contains(t, r.body, "is not found for API version")
	assert.Equal(t, 404, do(t, s, "GET", "/v1beta/models/gemini-2.5-pro", "", "x-goog-api-key", key1).status)
}

// TestModelsChangeUnderWay is for the race detector.
func TestModelsChangeUnderWay(t *testing.T) {
	s, _ := newSim(Config{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				assert.NotEmpty(t, listOf(t, s))
				ask(t, s, key1, flash, 1)
			}
		})
	}
	for range 50 {
		s.AddModel("gemini-3.6-flash", Limits{RPM: 1, TPM: 1, RPD: 1})
		s.RetireModel("", flash)
		s.RemoveModel("gemini-3.6-flash")
	}
	wg.Wait()
}

// TestSetLimitsAt: limits change at an instant of the server's clock, and count
// what had arrived before.
func TestSetLimitsAt(t *testing.T) {
	s, clock := newSim(Config{})
	later := noon.Add(30 * time.Second)
	s.SetLimitsAt(later.Add(time.Minute), "alpha", flash, Limits{RPM: 3, TPM: -1, RPD: -1})
	s.SetLimitsAt(later, "alpha", flash, Limits{RPM: 2, TPM: -1, RPD: -1})
	for range 3 {
		assert.Equal(t, 200, ask(t, s, key1, flash, 1).status)
	}
	clock.set(later.Add(-1))
	assert.Equal(t, 200, ask(t, s, key1, flash, 1).status)
	clock.set(later)
	got := parseRefusal(t, ask(t, s, key1, flash, 1))
	assert.Equal(t, "2", *got.violations[0].Value)
	assert.Equal(t, 200, ask(t, s, key2, flash, 1).status, "another project's are as they were")
	clock.set(later.Add(time.Minute))
	for range 3 {
		assert.Equal(t, 200, ask(t, s, key1, flash, 1).status)
	}
	assert.Equal(t, 429, ask(t, s, key1, flash, 1).status)

	s.SetLimitsAt(later.Add(time.Hour), "", flash, Limits{RPM: 7, TPM: 7000, RPD: 70})
	clock.set(later.Add(time.Hour))
	assert.Contains(t, textOf(t, post(t, s, "models/gemini-2.5-pro:generateContent", limitsQuestion(flash))),
		`"requests_per_minute":7`, "whoever asks is told what is in force")
}

// TestShutDown: a model that is still listed is refused in every wording that was
// captured, and says before when it will be.
func TestShutDown(t *testing.T) {
	for w, want := range map[models.Wording]string{
		models.NewUsers:   "This model models/" + flash + " is no longer available to new users.",
		models.NotFound:   "models/" + flash + " is not found for API version v1beta",
		models.Deprecated: "has been deprecated on",
	} {
		s, _ := newSim(Config{})
		s.SetModelStatus(flash, "LEGACY", time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))
		r := ask(t, s, key1, flash, 1)
		assert.Contains(t, strings.ReplaceAll(r.body, " ", ""), `"modelStage":"LEGACY"`)
		assert.Contains(t, strings.ReplaceAll(r.body, " ", ""), `"retirementTime":"2026-12-01T00:00:00Z"`)
		s.ShutDown("", flash, w)
		r = ask(t, s, key1, flash, 1)
		assert.Equal(t, 404, r.status)
		assert.Contains(t, r.body, want)
	}
}
