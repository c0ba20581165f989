package batch

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// interrupted does a job up to about its middle: p0 to p5 are answered, p6 waits with a booking, p7 with a mere ticket, p8
// is being answered and p9 was never begun.
func interrupted(t *testing.T, s *setup) *fakeServer {
	t.Helper()
	f := newFake(func(prompt string, _ int) reply {
		switch prompt {
		case "p6":
			return refuse("book/ed", "Retry-After", "3600")
		case "p7":
			return refuse("mere", "Retry-After", "3600", "X-Fluxgate-Booked", "false")
		case "p8":
			return reply{after: time.Hour}
		}
		return reply{}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(time.Minute, cancel)
	o := s.options(f)
	o.Concurrency = 3
	summary, err := Run(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 6, summary.Requests)
	return f
}

func TestInterruptAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 10)
		begin := time.Now()
		f := interrupted(t, s)
		assert.Equal(t, time.Minute, time.Since(begin), "an interrupt ends every wait")
		assert.Equal(t, []string{"/tickets/book%2Fed"}, f.released(), "only a slot that is kept has to be given back")
		assert.Contains(t, s.stderr.String(), "6 of 10 requests are finished: run the same command again")
		s.requireAnswers(6)

		again := newFake(nil)
		summary, err := Run(t.Context(), s.options(again))
		require.NoError(t, err)
		s.requireAnswers(10)
		assert.Len(t, again.generated(), 4, "what was answered isn't sent again")
		assert.Equal(t, 4, summary.Requests)
		assert.Equal(t, 6, summary.Resumed)
		assert.Contains(t, summary.String(), "resumed=6")
		assert.NoFileExists(t, s.output+".journal")
	})
}

// slowRelease hangs on DELETE: giving tickets back must not keep a user who wants to leave.
type slowRelease struct{ *fakeServer }

func (s slowRelease) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method == http.MethodDelete {
		<-request.Context().Done()
		return nil, request.Context().Err()
	}
	return s.fakeServer.RoundTrip(request)
}

func TestReleaseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 1)
		o := s.options(nil)
		o.Client = &http.Client{Transport: slowRelease{newFake(func(string, int) reply { return refuse("t", "Retry-After", "60") })}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		_, err := Run(ctx, o)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 12*time.Second, time.Since(begin))
	})
}

// A crash may cut the journal anywhere, in the middle of a line above all. Whatever whole lines are left count.
func TestResumeAfterACutJournal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		share := rapid.Float64Range(0, 1).Draw(rt, "share")
		synctest.Test(t, func(t *testing.T) {
			s := newSetup(t, 10)
			interrupted(t, s)
			path := s.output + ".journal"
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			header := strings.Index(string(data), "\n")
			kept := data[:header+int(share*float64(len(data)-header))]
			require.NoError(t, os.WriteFile(path, kept, 0o600))
			whole := max(0, strings.Count(string(kept), "\n")-1)

			again := newFake(nil)
			_, err = Run(t.Context(), s.options(again))
			require.NoError(t, err)
			s.requireAnswers(10)
			assert.Len(t, again.generated(), 10-whole)
		})
	})
}

// A power failure can leave a block of zeros in the middle. That line is lost, and nothing else.
func TestResumeWithADamagedLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 10)
		interrupted(t, s)
		path := s.output + ".journal"
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		lines := strings.SplitAfter(string(data), "\n")
		lines[2] = strings.Repeat("\x00", len(lines[2])-1) + "\n"
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600))
		again := newFake(nil)
		_, err = Run(t.Context(), s.options(again))
		require.NoError(t, err)
		s.requireAnswers(10)
		assert.Len(t, again.generated(), 5)
	})
}

func TestFailedRequestsAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 6)
		_, err := Run(t.Context(), s.options(newFake(func(prompt string, _ int) reply {
			if prompt == "p2" || prompt == "p4" {
				return reply{status: 400, body: `{"error":"no"}`}
			}
			return reply{}
		})))
		require.NoError(t, err)
		again := newFake(nil)
		_, err = Run(t.Context(), s.options(again))
		require.NoError(t, err)
		s.requireAnswers(6)
		assert.Len(t, again.generated(), 2)
	})
}

func TestAFinishedJobSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 3)
		_, err := Run(t.Context(), s.options(newFake(nil)))
		require.NoError(t, err)
		before, err := os.ReadFile(s.output)
		require.NoError(t, err)

		again := newFake(nil)
		summary, err := Run(t.Context(), s.options(again))
		require.NoError(t, err)
		assert.Empty(t, again.generated(), "the output alone tells that the job is done")
		assert.Equal(t, 3, summary.Resumed)
		after, err := os.ReadFile(s.output)
		require.NoError(t, err)
		assert.Equal(t, string(before), string(after))
		assert.NoFileExists(t, s.output+".journal")

		o := s.options(again)
		o.Restart = true
		_, err = Run(t.Context(), o)
		require.NoError(t, err)
		assert.Len(t, again.generated(), 3)
	})
}

// Without its journal an interrupted output still says what is finished, its torn last line apart.
func TestResumeFromTheOutputAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 10)
		interrupted(t, s)
		require.NoError(t, os.Remove(s.output+".journal"))
		data, err := os.ReadFile(s.output)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(s.output, data[:len(data)-4], 0o600))
		again := newFake(nil)
		_, err = Run(t.Context(), s.options(again))
		require.NoError(t, err)
		s.requireAnswers(10)
		assert.Len(t, again.generated(), 5)
	})
}

func TestAnotherJobIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 10)
		interrupted(t, s)
		journal, err := os.ReadFile(s.output + ".journal")
		require.NoError(t, err)

		f := newFake(nil)
		o := s.options(f)
		o.System = "different"
		_, err = Run(t.Context(), o)
		require.ErrorIs(t, err, ErrOtherJob)
		assert.ErrorContains(t, err, "--restart")
		assert.Empty(t, f.generated())
		left, err := os.ReadFile(s.output + ".journal")
		require.NoError(t, err)
		assert.Equal(t, string(journal), string(left), "a refusal changes nothing")

		o.Restart = true
		_, err = Run(t.Context(), o)
		require.NoError(t, err)
		assert.Len(t, f.generated(), 10)
		s.requireAnswers(10)
	})
}

func TestSomebodysFileIsNotOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, text := range []string{"my novel\n", "my novel", `{"index":0,"x":1}`, `{"index":0,"x":1}` + "\n"} {
			s := newSetup(t, 2)
			require.NoError(t, os.WriteFile(s.output, []byte(text), 0o600))
			_, err := Run(t.Context(), s.options(newFake(nil)))
			require.ErrorIs(t, err, ErrOtherJob)
			data, err := os.ReadFile(s.output)
			require.NoError(t, err)
			assert.Equal(t, text, string(data))
			assert.NoFileExists(t, s.output+".journal")
			assert.NoFileExists(t, s.output+".journal.new")
		}
		s := newSetup(t, 2)
		o := s.options(newFake(nil))
		o.Output, o.Restart = s.input, true
		_, err := Run(t.Context(), o)
		assert.ErrorContains(t, err, "is an input", "--restart must not replace the input either")
		o.Output = s.dir
		_, err = Run(t.Context(), o)
		assert.ErrorContains(t, err, "not a regular file")
	})
}

func TestTwoRunsAtOnceAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, 2)
		first := make(chan error)
		go func() {
			_, err := Run(t.Context(), s.options(newFake(func(string, int) reply { return reply{after: 5 * time.Minute} })))
			first <- err
		}()
		time.Sleep(time.Minute)
		for _, restart := range []bool{false, true} {
			other := &setup{t: t, input: s.input, output: s.output, stderr: s.stderr}
			o := other.options(newFake(nil))
			o.Stderr = &strings.Builder{}
			o.Restart = restart
			_, err := Run(t.Context(), o)
			require.ErrorIs(t, err, ErrLocked)
		}
		require.NoError(t, <-first)
		s.requireAnswers(2)
	})
}

// The real thing: a process is killed while it works, and the same job is done again.
func TestResumeAfterKill(t *testing.T) {
	const total, before = 40, 15
	if os.Getenv("FLUXGATE_BATCH_CHILD") != "" {
		_, err := Run(t.Context(), Options{
			Inputs: []string{os.Getenv("FLUXGATE_BATCH_CHILD")}, Output: os.Getenv("FLUXGATE_BATCH_OUTPUT"),
			URL: os.Getenv("FLUXGATE_BATCH_URL"), Concurrency: 4, Quiet: true,
		})
		t.Fatalf("the child was to be killed, but ended: %v", err)
	}
	s := newSetup(t, total)
	newStopping(t, newFake(nil)).killChild(before, "FLUXGATE_BATCH_CHILD="+s.input, "FLUXGATE_BATCH_OUTPUT="+s.output)

	finished := s.journalled(s.output + ".journal")[1:]
	require.NotEmpty(t, finished)
	again := newFake(nil)
	summary, err := Run(t.Context(), s.options(again))
	require.NoError(t, err)
	s.requireAnswers(total)
	assert.Equal(t, len(finished), summary.Resumed)
	for _, r := range finished {
		assert.NotContains(t, again.generated(), strings.Replace(r.ID, "id", "p", 1), "answered and journalled before the kill")
	}
	assert.NoFileExists(t, filepath.Join(s.dir, "out.jsonl.journal"))
}
