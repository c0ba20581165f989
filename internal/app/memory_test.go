package app

import (
	"bytes"
	"log/slog"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/storage"
)

// A process that hasn't the memory for one body says at its start what to change. One that
// has, has as many as it has memory for, or as was configured.
func TestBudgetSuitsTheMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	var log bytes.Buffer
	o := Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Store: storage.NewMemory(nil)}

	debug.SetMemoryLimit(100 << 20)
	_, err := Start(t.Context(), load(t, "GEMINI_KEY_1=x"), o)
	require.EqualError(t, err, "memory: of 100MiB (GOMEMLIMIT, or nine tenths of what the container has) 24MiB are for bodies, and one of FLUXGATE_MAX_BODY (32MiB) takes 33MiB: give it 114MiB, or lower FLUXGATE_MAX_BODY")
	for env, want := range map[string]int64{
		"FLUXGATE_MAX_BODY=20MiB":     24 << 20,
		"FLUXGATE_BODY_BUDGET=40MiB":  40 << 20,
		"FLUXGATE_BODY_BUDGET=400MiB": 400 << 20,
	} {
		log.Reset()
		b, err := bodyBudget(load(t, env), o)
		require.NoError(t, err)
		assert.Equal(t, want, b, env)
		assert.Equal(t, env != "FLUXGATE_MAX_BODY=20MiB", bytes.Contains(log.Bytes(), []byte("want at most 24MiB for 100MiB")), "%s: %s", env, &log)
	}
	debug.SetMemoryLimit(460 << 20)
	b, err := bodyBudget(load(t), o)
	require.NoError(t, err)
	assert.EqualValues(t, 264<<20, b)
}
