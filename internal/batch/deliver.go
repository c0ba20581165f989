package batch

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/remote"
)

const (
	// maxTries bounds failures in a row: 5xx, timeouts, broken connections.
	maxTries = 5
	// Backoff doubles from the first to the last, each times 0.5 to 1.5.
	firstBackoff = time.Second
	lastBackoff  = time.Minute
)

// delivery is the way of one request from its first sending to its result. One goroutine uses it.
type delivery struct {
	job     *job
	item    *item
	started time.Time

	turn remote.Turn
	// tries are failures in a row, unhinted refusals in a row that didn't say how long.
	tries, unhintedRefusals int
	waits                   int
	waited                  time.Duration
	// wasted are the tokens of answers that were asked for again.
	wasted int64
	// fatal is set when no other request will fare better.
	fatal error
}

// send sends a request, or a part of one, until there is an answer or there will be none. False means that the context
// ended before.
func (d *delivery) send(ctx context.Context, it *item) (exchange, bool) {
	body, err := it.body(d.job.options)
	if err != nil {
		return exchange{outcome: rejected, message: err.Error()}, true
	}
	d.turn, d.tries, d.unhintedRefusals = remote.Turn{}, 0, 0
	for {
		ex := d.job.sender.generate(ctx, body, &d.turn)
		switch ex.outcome {
		case answered, rejected:
			return ex, true
		case forbidden:
			d.fatal = &StoppedError{Status: ex.status, Message: ex.message}
			return ex, true
		case refused:
			if !d.waitAsTold(ctx, ex) {
				return exchange{}, false
			}
		case transient:
			if ctx.Err() != nil {
				return exchange{}, false
			}
			if d.tries++; d.tries == maxTries {
				if ex.unreachable {
					d.fatal = &StoppedError{Message: ex.message}
				}
				return ex, true
			}
			d.job.noteUnreachable(ex)
			until := time.Now().Add(backoff(d.tries))
			if told := ex.arrived.Add(ex.wait); ex.hinted && told.After(until) {
				until = told
			}
			if !d.pause(ctx, until) {
				return exchange{}, false
			}
			d.job.stats.endWait(d.item.index, false, 0)
		}
	}
}

// waitAsTold waits as long as a refusal says. False means that the context ended before.
func (d *delivery) waitAsTold(ctx context.Context, ex exchange) bool {
	d.tries = 0
	wait := ex.wait
	if ex.hinted {
		d.unhintedRefusals = 0
	} else {
		d.unhintedRefusals++
		wait = backoff(d.unhintedRefusals)
	}
	d.job.noteOutage(ex)
	d.job.noteFree(d.turn.Free)
	if !d.pause(ctx, ex.arrived.Add(wait)) {
		return false
	}
	slept := time.Since(ex.arrived)
	d.waits++
	d.waited += slept
	d.job.stats.endWait(d.item.index, true, slept)
	return true
}

// pause waits until an instant. False means that the context ended before; then the ticket stays noted, to be given back.
func (d *delivery) pause(ctx context.Context, until time.Time) bool {
	h := waitingRequest{until: until}
	if d.turn.Booked {
		h.ticket = d.turn.Ticket
	}
	d.job.stats.beginWait(d.item.index, h)
	return remote.Sleep(ctx, until)
}

// noteOutage shows what a 503 or 529 says, once for each text: such a wait may have no end that the server knows.
func (j *job) noteOutage(ex exchange) {
	if ex.status < http.StatusInternalServerError {
		return
	}
	if _, known := j.shownOutages.LoadOrStore(ex.message, true); !known {
		j.reporter.note("the server is unavailable and says to come back in %s: %s",
			ex.wait.Round(time.Millisecond), strings.TrimSpace(ex.message))
	}
}

// noteUnreachable says once why nothing happens yet.
func (j *job) noteUnreachable(ex exchange) {
	if ex.unreachable && !j.shownUnreachable.Swap(true) {
		j.reporter.note("can't connect to %s yet, trying again: %s", j.options.URL, ex.message)
	}
}

// noteFree says once of every model that it is free while requests wait for a better one.
func (j *job) noteFree(model string) {
	if model == "" || j.options.MaxWait != nil {
		return
	}
	if _, known := j.shownFree.LoadOrStore(model, true); !known {
		j.reporter.note("%s is free now, while requests wait for a better model: run again with --max-wait 0s, and whichever is free is taken; what is finished stays", remote.Printable(model))
	}
}

// backoff is the pause after the nth failure in a row.
func backoff(n int) time.Duration {
	pause := lastBackoff
	if n < 7 {
		pause = min(lastBackoff, firstBackoff<<(n-1))
	}
	return time.Duration(float64(pause) * (0.5 + rand.Float64()))
}
