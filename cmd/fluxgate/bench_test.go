//go:build unix

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
)

// foreign are settings of whoever measures, which must not reach the parties:
// with them Fluxgate wouldn't start, or would talk to somebody else.
var foreign = []string{
	"GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:1", "FLUXGATE_CHAIN=no-such-model", "FLUXGATE_SKEW=nonsense",
	"GEMINI_KEY_1=a-key-of-somebody", "FIRESTORE_EMULATOR_HOST=127.0.0.1:1",
}

// needsProcessors skips a test with -short.
func needsProcessors(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("measures, which -short leaves out")
	}
}

// Figures are not judged here: only that there are some, of every party.
func TestBenchOverhead(t *testing.T) {
	needsProcessors(t)
	t.Parallel()
	profiles := filepath.Join(t.TempDir(), "profiles")
	exit, out, stderr := run(t, foreign, "bench", "overhead",
		"--requests", "100", "--rounds", "2", "--connections", "8", "--profile", profiles)
	require.Zero(t, exit, stderr)
	for party, file := range map[string]string{
		"bare proxy": "proxy", "fluxgate, native": "fluxgate-native",
		"fluxgate, native, logging": "fluxgate-native-logging", "fluxgate, /generate": "fluxgate-generate",
	} {
		row := regexp.MustCompile(`(?m)^ *` + party + ` +200 +(\d+) +([\d.]+) +([\d.]+) +([\d.]+)\.\.([\d.]+) *$`).FindStringSubmatch(out)
		if !assert.NotNil(t, row, "%s in\n%s", party, out) {
			continue
		}
		for _, text := range row[1:] {
			figure, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err)
			assert.Positive(t, figure, row[0])
		}
		for _, kind := range []string{".cpu.pprof", ".allocs.pprof"} {
			info, err := os.Stat(filepath.Join(profiles, file+kind))
			require.NoError(t, err)
			assert.Positive(t, info.Size())
		}
	}
	assert.Contains(t, out, "the target is 1.5")
	for _, area := range []string{"HTTP server", "admission and settling", "the rest of the runtime"} {
		assert.Regexp(t, `(?m)^ *`+area+`( +\d+\.\d){4} *$`, out)
	}
}

// It fails by itself if the memory isn't under the limit.
func TestBenchStream(t *testing.T) {
	needsProcessors(t)
	t.Parallel()
	exit, out, stderr := run(t, foreign, "bench", "stream",
		"--megabytes", "1", "--rounds", "2", "--chunks", "5", "--interval", "1ms")
	if race.Enabled {
		// The race detector's own memory is on top of Fluxgate's.
		assert.True(t, exit == 0 || strings.Contains(stderr, "the limit is 64 MiB"), stderr)
	} else {
		require.Zero(t, exit, stderr)
	}
	assert.Regexp(t, `Long stream: 1\.\d MB in 245 chunks`, out)
	assert.Regexp(t, `peak resident memory: \d+\.\d MiB`, out)
	for _, row := range []string{"time to first byte, median", "delay of a chunk, median"} {
		assert.Regexp(t, row+` +\d+\.\d{3} +\d+\.\d{3} +[+-]\d+\.\d{3}`, out)
	}
}

func TestBenchRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"overhead", "--rounds", "0"}, {"overhead", "--requests", "-1"}, {"overhead", "--connections", "0"},
		{"stream", "--megabytes", "0"}, {"stream", "--interval", "0s"}, {"free", "--share", "2"}, {"party", "clown"},
	} {
		exit, _, stderr := run(t, nil, append([]string{"bench"}, args...)...)
		assert.Equal(t, exitUsage, exit, args)
		assert.NotEmpty(t, stderr, args)
	}
}

// The function is started as a platform starts it; nothing of the figures is
// judged but that they are there, and that nothing was started that may not be.
func TestBenchColdStart(t *testing.T) {
	needsProcessors(t)
	t.Parallel()
	exit, out, stderr := run(t, foreign, "bench", "coldstart", "--memory", "--runs", "2")
	require.Zero(t, exit, stderr)
	assert.Contains(t, out, "2 starts of the function, state in memory, as asked for")
	for _, row := range []string{
		"process start to first 200 of /health", "process start to first answer of /generate", "first /generate", "later /generate",
		"resident memory after /health", "resident memory at idle, after 6 answers",
	} {
		figures := regexp.MustCompile(`(?m)^ *` + row + ` +([\d.]+) M?[msB]+ +([\d.]+)\.\.([\d.]+) `).FindStringSubmatch(out)
		if !assert.NotNil(t, figures, "%s in\n%s", row, out) {
			continue
		}
		for _, text := range figures[1:] {
			figure, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err)
			assert.Positive(t, figure, figures[0])
		}
	}
	assert.Regexp(t, `The program has \d+\.\d MB`, out)
	assert.NotContains(t, stderr, "emulator")

	exit, _, stderr = run(t, nil, "bench", "coldstart", "--runs", "0")
	assert.Equal(t, exitUsage, exit)
	assert.Contains(t, stderr, "--runs 0: want a positive number")
}
