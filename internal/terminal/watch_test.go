package terminal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/remote"
)

// A drawing is a picture or an error, taken at some second.
type drawing struct {
	picture string
	err     error
}

// script draws one after another, says when each was asked for, and ends the watch after the last.
func script(end func(), drawings ...drawing) (func(context.Context, Style) (string, error), *[]time.Duration) {
	begin := time.Now()
	var at []time.Duration
	return func(context.Context, Style) (string, error) {
		d := drawings[len(at)]
		at = append(at, time.Since(begin))
		if len(at) == len(drawings) {
			time.AfterFunc(time.Second, end)
		}
		return d.picture, d.err
	}, &at
}

func TestWatchOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		draw, at := script(end, drawing{picture: "one\ntwo\n"}, drawing{picture: "three\n"})
		var out bytes.Buffer
		w := Watch{Every: 5 * time.Second, Draw: draw, Style: func() Style { return Style{Width: 80, Height: 24} }, Terminal: true, Out: &out}
		require.NoError(t, w.Run(ctx))
		assert.Equal(t, []time.Duration{0, 5 * time.Second}, *at)
		assert.Equal(t, "\x1b[?1049h\x1b[?25l"+
			"\x1b[Hone\x1b[K\r\ntwo\x1b[K\r\n\x1b[K\r\nevery 5s, Ctrl-C ends\x1b[K\x1b[J"+
			"\x1b[Hthree\x1b[K\r\n\x1b[K\r\nevery 5s, Ctrl-C ends\x1b[K\x1b[J"+
			"\x1b[?25h\x1b[?1049l", out.String(), "drawn over, never cleared as a whole")
	})
}

// What doesn't fit is left out, or the terminal would scroll.
func TestWatchFitsTheScreen(t *testing.T) {
	var out bytes.Buffer
	w := Watch{Terminal: true, Out: &out}
	picture := strings.Repeat(strings.Repeat("x", 50)+"\n", 50)
	require.NoError(t, w.show(picture, strings.Repeat("n", 50), Style{Width: 20, Height: 6}))
	assert.Equal(t, strings.Repeat(strings.Repeat("x", 20)+"\x1b[K\r\n", 3)+"… 47 more lines\x1b[K\r\n\x1b[K\r\n"+strings.Repeat("n", 18)+"…\x1b[K\x1b[J",
		strings.TrimPrefix(out.String(), "\x1b[H"))
	assert.Equal(t, 5, strings.Count(out.String(), "\n"), "six lines")
	for height := range 6 {
		assert.NoError(t, w.show(picture, "n", Style{Width: 20, Height: height}))
	}
}

// A fault that may pass leaves the last picture on the screen, and a server that says when to come back is obeyed.
func TestWatchGoesOn(t *testing.T) {
	unavailable := &remote.Error{Code: 503, Status: "UNAVAILABLE", Message: "The quota store can't be reached.", RetryAfter: 12 * time.Second}
	for _, terminal := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			ctx, end := context.WithCancel(t.Context())
			draw, at := script(end, drawing{picture: "one\n"}, drawing{err: unavailable},
				drawing{err: fmt.Errorf("can't connect: %w", errors.New("refused"))}, drawing{picture: "two\n"})
			var out, stderr bytes.Buffer
			w := Watch{Every: 5 * time.Second, Draw: draw, Style: func() Style { return Style{} }, Terminal: terminal, Out: &out, Err: &stderr}
			require.NoError(t, w.Run(ctx))
			assert.Equal(t, []time.Duration{0, 5 * time.Second, 17 * time.Second, 22 * time.Second}, *at)
			fault := "503 UNAVAILABLE: The quota store can't be reached. (next try in 12s)"
			if !terminal {
				assert.Equal(t, "one\ntwo\n", out.String())
				assert.Equal(t, fault+"\ncan't connect: refused (next try in 5s)\n", stderr.String())
				return
			}
			assert.Contains(t, out.String(), "\x1b[Hone\x1b[K\r\n\x1b[K\r\nas it was: "+fault+"\x1b[K\x1b[J")
			assert.Contains(t, out.String(), "\x1b[Hone\x1b[K\r\n\x1b[K\r\nas it was: can't connect: refused (next try in 5s)")
		})
	}
}

// Some errors have the same answer every time, and the first picture has none to fall back to.
func TestWatchGivesUp(t *testing.T) {
	for _, c := range []struct {
		name     string
		drawings []drawing
	}{
		{"the first", []drawing{{err: &remote.Error{Code: 503}}}},
		{"not let in", []drawing{{picture: "one\n"}, {err: &remote.Error{Code: 401}}}},
		{"not a Fluxgate", []drawing{{picture: "one\n"}, {err: remote.ErrNotFluxgate}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			draw, at := script(func() {}, c.drawings...)
			var out bytes.Buffer
			w := Watch{Every: time.Second, Draw: draw, Style: func() Style { return Style{} }, Terminal: true, Out: &out}
			err := w.Run(t.Context())
			assert.Equal(t, c.drawings[len(c.drawings)-1].err, err, c.name)
			assert.Len(t, *at, len(c.drawings))
			if len(c.drawings) > 1 {
				assert.True(t, strings.HasSuffix(out.String(), leaveScreen), "the terminal is as it was")
			} else {
				assert.Empty(t, out.String())
			}
		})
	}
}

// As with `fluxgate status --watch | head`.
func TestWatchEndsWithItsReader(t *testing.T) {
	r, w := io.Pipe()
	require.NoError(t, r.Close())
	watch := Watch{Draw: func(context.Context, Style) (string, error) { return "one\n", nil }, Style: func() Style { return Style{} }, Out: w}
	assert.ErrorIs(t, watch.Run(t.Context()), io.ErrClosedPipe)
}

// Ctrl-C while the answer is under way is no error either.
func TestWatchIsStopped(t *testing.T) {
	for before := range 2 {
		synctest.Test(t, func(t *testing.T) {
			ctx, end := context.WithCancel(t.Context())
			drawn := 0
			w := Watch{Every: time.Second, Style: func() Style { return Style{} }, Out: io.Discard, Draw: func(ctx context.Context, _ Style) (string, error) {
				if drawn++; drawn <= before {
					return "one\n", nil
				}
				time.AfterFunc(time.Minute, end)
				<-ctx.Done()
				return "", ctx.Err()
			}}
			assert.NoError(t, w.Run(ctx))
		})
	}
}
