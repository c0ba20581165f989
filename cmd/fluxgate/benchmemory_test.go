//go:build unix

package main

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
)

// It fails by itself if a body is held more than once, or is taken apart. The limit has
// room for 2 of the bodies.
func TestBenchMemory(t *testing.T) {
	needsProcessors(t)
	if race.Enabled { // it isn't for CI, either: when garbage is collected is nobody's to say
		t.Skip("the race detector's own memory is on top of Fluxgate's")
	}
	p := launch(t, foreign, "bench", "memory", "--counts", "3", "--megabytes", "16", "--limit", "128")
	exit := p.waitFor(5 * time.Minute)
	out := p.out.String()
	require.Zero(t, exit, "%s\n%s", &p.stderr, out)
	for _, route := range []string{
		"native", "OpenAI", "/generate", "upload", "OpenAI, empty messages", "/generate, empty images", "native, not the standard's JSON",
	} {
		row := regexp.MustCompile(`(?m)^ *` + regexp.QuoteMeta(route) + ` +3 +(\d+) +\d+ +\d+ +\d+ +[\d.]+ s *$`).FindStringSubmatch(out)
		require.NotNil(t, row, "%s in\n%s", route, out)
		inFlight, err := strconv.Atoi(row[1])
		require.NoError(t, err)
		if route != "upload" {
			assert.LessOrEqual(t, inFlight, 2, row[0])
		}
	}
}
