package batch

import (
	"cmp"
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
	// fatal is set when no other request will fare better.
	fatal error
}

// run sends the request until it is settled. False means that the context ended before.
func (d *delivery) run(ctx context.Context) (Result, bool) {
	body, err := d.item.body(d.job.options)
	if err != nil {
		return d.failed(exchange{message: err.Error()}), true
	}
	for {
		ex := d.job.sender.generate(ctx, body, &d.turn)
		switch ex.outcome {
		case answered:
			return d.answered(ex.answer), true
		case rejected:
			return d.failed(ex), true
		case forbidden:
			d.fatal = &StoppedError{Status: ex.status, Message: ex.message}
			return d.failed(ex), true
		case refused:
			if !d.waitAsTold(ctx, ex) {
				return Result{}, false
			}
		case transient:
			if ctx.Err() != nil {
				return Result{}, false
			}
			if d.tries++; d.tries == maxTries {
				if ex.unreachable {
					d.fatal = &StoppedError{Message: ex.message}
				}
				return d.failed(ex), true
			}
			if !d.pause(ctx, time.Now().Add(backoff(d.tries))) {
				return Result{}, false
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

func (d *delivery) answered(a answer) Result {
	result := d.result()
	result.Response = a.Response
	result.KeyUsed = a.KeyUsed
	result.ModelUsed = a.ModelUsed
	result.TokensUsed = &a.TokensUsed
	return result
}

func (d *delivery) failed(ex exchange) Result {
	result := d.result()
	// A result without an answer is told by its error, so it always has one.
	result.Error = cmp.Or(ex.message, "no answer")
	result.Status = ex.status
	return result
}

func (d *delivery) result() Result {
	return Result{
		Index:          d.item.index,
		ID:             d.item.id,
		SHA256:         d.item.hash(),
		Waits:          d.waits,
		WaitedSeconds:  seconds(d.waited),
		ElapsedSeconds: seconds(time.Since(d.started)),
	}
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// noteOutage shows what a 503 says, once for each text: such a wait may have no end that the server knows.
func (j *job) noteOutage(ex exchange) {
	if ex.status != http.StatusServiceUnavailable {
		return
	}
	if _, known := j.shownOutages.LoadOrStore(ex.message, true); !known {
		j.reporter.note("the server is unavailable and says to come back in %s: %s",
			ex.wait.Round(time.Millisecond), strings.TrimSpace(ex.message))
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
