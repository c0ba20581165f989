package wait

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/remote"
)

const (
	// liveEvery is how often a line that is written anew counts down.
	liveEvery = time.Second
	// plainEvery is the least time between two lines of those that stay.
	plainEvery = 10 * time.Second
	// clearLine takes a terminal's cursor to the beginning of a line without anything on it.
	clearLine = "\r\x1b[K"
)

// A display shows who waits for what, until when.
type display struct {
	w    io.Writer
	live bool // w is a terminal that nobody else writes to
	list *list

	mu    sync.Mutex
	shown bool // a line is on the terminal
}

// start shows who waits until stop is called.
func (d *display) start() (stop func()) {
	if d.w == nil {
		return func() {}
	}
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { d.run(done) })
	return func() {
		close(done)
		running.Wait()
	}
}

func (d *display) run(done <-chan struct{}) {
	every := plainEvery
	if d.live {
		every = liveEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var last time.Time
	for {
		select {
		case <-done:
			d.show("")
			return
		case <-ticker.C:
		case <-d.list.changed:
			if !d.live && time.Since(last) < plainEvery {
				continue // the ticker shows it
			}
		}
		line := describe(d.list.groups(), time.Now())
		if line != "" || d.live {
			last = time.Now()
			d.show(line)
		}
	}
}

// show replaces the line, or adds one.
func (d *display) show(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.live && line != "":
		fmt.Fprintln(d.w, line)
	case d.live && (line != "" || d.shown):
		fmt.Fprint(d.w, clearLine+line)
		d.shown = line != ""
	}
}

// note writes a line that stays.
func (d *display) note(format string, args ...any) {
	if d.w == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shown {
		fmt.Fprint(d.w, clearLine)
		d.shown = false
	}
	fmt.Fprintf(d.w, format+"\n", args...)
}

// describe says in a line who waits; empty: nobody.
func describe(groups []group, now time.Time) string {
	var parts []string
	for _, g := range groups {
		verb, until := "waits", g.first.Format(time.TimeOnly)
		if g.n > 1 {
			verb, until = "wait", until+" to "+g.last.Format(time.TimeOnly)
		}
		why := ""
		if g.quota != "" {
			why = " (" + g.quota + ")"
		}
		left := max(0, g.first.Sub(now)).Round(time.Second)
		parts = append(parts, fmt.Sprintf("%d %s for %s%s until %s (%v), %d booked", g.n, verb, remote.Printable(g.what), remote.Printable(why), until, left, g.booked))
	}
	return strings.Join(parts, "; ")
}
