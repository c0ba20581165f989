package endtoend

import (
	"bytes"
	"context"
	"io"
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
)

// The database of two running instances is emptied, by the emulator's own interface,
// when half of a minute's requests are used up. Upstream never has to say 429, the
// settings are there again, and it is said among the events.
func TestEmptiedDatabase(t *testing.T) {
	t.Setenv("FIRESTORE_EMULATOR_HOST", emulatortest.Host(t)) // for the library
	_, err := emulatortest.Client(t).Doc("warm/up").Set(t.Context(), map[string]any{"n": 1}) // the first time takes seconds
	require.NoError(t, err)
	w := newWorld(t, geminisim.Limits{RPM: 4, TPM: 250_000, RPD: 100_000})
	w.env = append(w.env, "FIRESTORE_EMULATOR_HOST="+emulatortest.Host(t), "GOOGLE_CLOUD_PROJECT="+emulatortest.Project(t), "FLUXGATE_STORE=firestore")
	var urls []string
	for range 2 {
		cfg, err := config.Load(t.Context(), w.env)
		require.NoError(t, err)
		a, err := app.Start(t.Context(), cfg, app.Options{Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		server := httptest.NewServer(a)
		t.Cleanup(func() {
			server.Close()
			assert.NoError(t, a.Close(context.WithoutCancel(t.Context())))
		})
		urls = append(urls, server.URL)
	}
	client := httpClient(t)
	do := func(method, url string, body []byte) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
		require.NoError(t, err)
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(text)
	}
	status, text := do(http.MethodPost, urls[0]+"/config", []byte(`{"mode":"flash_only"}`))
	require.Equal(t, http.StatusOK, status, text)
	served := 0
	for i := range projects * 2 {
		status, text := do(http.MethodPost, urls[i%2]+"/generate", prompt(t, i))
		require.Equal(t, http.StatusOK, status, text)
		served++
	}
	emulatortest.Clear(t)
	for i := range projects * 6 {
		switch status, text := do(http.MethodPost, urls[i%2]+"/generate", prompt(t, 1000+i)); status {
		case http.StatusOK:
			served++
		case http.StatusTooManyRequests:
		default:
			t.Errorf("status %d: %s", status, text)
		}
	}
	assert.LessOrEqual(t, served, projects*4)
	w.requireWithinLimits(t)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(500 * time.Millisecond) {
		do(http.MethodGet, urls[0]+"/status", nil) // it knows the mode, and has to look
		if _, text := do(http.MethodGet, urls[1]+"/status", nil); strings.Contains(text, `"mode":"flash_only"`) {
			break
		}
		require.True(t, time.Now().Before(deadline), "the mode isn't there again")
	}
	_, text = do(http.MethodGet, urls[0]+"/status", nil)
	assert.Contains(t, text, "what this instance knows of it is written back", "among the events")
}
