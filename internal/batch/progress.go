package batch

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// ProgressMode names how progress is shown.
type ProgressMode string

// The progress modes.
const (
	// ProgressAuto is a bar on a terminal and plain lines elsewhere.
	ProgressAuto ProgressMode = "auto"
	// ProgressPlain is a line every ten seconds.
	ProgressPlain ProgressMode = "plain"
	// ProgressNone shows notes and the summary only.
	ProgressNone ProgressMode = "none"
)

// progressModes are the values of Options.Progress.
var progressModes = []ProgressMode{ProgressAuto, ProgressPlain, ProgressNone}

const (
	plainEvery = 10 * time.Second
	barEvery   = 500 * time.Millisecond
)

// reporter shows progress and notes on one writer.
type reporter struct {
	w     io.Writer
	quiet bool
	stats *stats
	every time.Duration // 0: no progress

	mu  sync.Mutex
	bar *progressbar.ProgressBar
}

func newReporter(o *Options, s *stats) *reporter {
	r := &reporter{w: o.Stderr, quiet: o.Quiet, stats: s}
	if o.Quiet || o.Progress == ProgressNone {
		return r
	}
	r.every = plainEvery
	if f, ok := o.Stderr.(*os.File); ok && o.Progress == ProgressAuto && term.IsTerminal(int(f.Fd())) {
		r.every = barEvery
		r.bar = progressbar.NewOptions(s.summary.Total,
			progressbar.OptionSetWriter(o.Stderr),
			progressbar.OptionSetWidth(15),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionShowDescriptionAtLineEnd(),
			progressbar.OptionClearOnFinish(),
		)
	}
	return r
}

// start shows progress until stop is called.
func (r *reporter) start() (stop func()) {
	if r.every == 0 {
		return func() {}
	}
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(r.every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				r.show()
			case <-done:
				r.finish()
				return
			}
		}
	})
	return func() {
		close(done)
		running.Wait()
	}
}

func (r *reporter) show() {
	snap := r.stats.snapshot()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bar == nil {
		fmt.Fprintf(r.w, "%3.0f%%  %s\n", 100*float64(snap.Total-snap.left())/float64(snap.Total), progressLine(snap))
		return
	}
	r.bar.Describe(progressLine(snap))
	_ = r.bar.Set(snap.Total - snap.left())
}

func (r *reporter) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bar != nil {
		_ = r.bar.Clear()
		r.bar = nil
	}
}

// note writes a line that isn't progress.
func (r *reporter) note(format string, args ...any) {
	if r.quiet {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bar != nil {
		_ = r.bar.Clear()
	}
	fmt.Fprintf(r.w, format+"\n", args...)
}

// progressLine is short enough for a terminal of 100 columns beside a bar.
func progressLine(s snapshot) string {
	line := fmt.Sprintf("%d/%d  %.1f req/min  %s tok/min", s.Total-s.left(), s.Total,
		s.perMinute(float64(s.Requests)), thousands(s.perMinute(float64(s.Tokens))))
	if s.Failed > 0 {
		line += fmt.Sprintf("  failed %d", s.Failed)
	}
	if s.waiting > 0 {
		line += fmt.Sprintf("  waiting %d (next %s)", s.waiting, s.nextReturn.Round(time.Second))
	}
	if eta, ok := s.eta(); ok && s.left() > 0 {
		line += "  ETA " + eta.Round(time.Second).String()
	}
	return line
}

func thousands(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1fM", n/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.0fk", n/1e3)
	default:
		return fmt.Sprintf("%.0f", n)
	}
}
