package batch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// releaseTime bounds giving tickets back after an interrupt: the user waits for it.
const releaseTime = 2 * time.Second

// StoppedError means that the job was stopped because every further request would have failed like the last one.
type StoppedError struct {
	// Status is the HTTP status, 0 when no connection could be made.
	Status int
	// Message is the server's public message, or the fault.
	Message string
}

func (e *StoppedError) Error() string {
	if e.Status == 0 {
		return "can't connect to the server: " + e.Message
	}
	return fmt.Sprintf("the server refuses this caller: %d %s: %s (is the token right?)",
		e.Status, http.StatusText(e.Status), e.Message)
}

// OptionsError is all that is wrong with the options of a job, its inputs and its output, of which nothing was done.
type OptionsError struct{ error }

// Unwrap returns the problems.
func (e *OptionsError) Unwrap() error { return e.error }

// Run does a job, or the rest of one. It returns when every request is settled, when the context ends, or when going on is
// pointless. A request that failed is no error: see Summary.Failed. An error means that requests are left unsettled or
// that results couldn't be kept: *OptionsError, ErrOtherJob, ErrLocked, *StoppedError, the
// context's cause, or a fault of a file. The summary is right in every case.
//
// Run writes the summary line to Stderr, and how to go on when something is left.
func Run(ctx context.Context, opts Options) (Summary, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return Summary{}, fmt.Errorf("batch: %w", &OptionsError{err})
	}
	if o.Identity != nil {
		// Who can't get a token is told before anything is written.
		if _, err := o.Identity.Token(ctx); err != nil {
			return Summary{}, fmt.Errorf("batch: %w", err)
		}
	}
	p, err := newPlan(&o)
	if err != nil {
		return Summary{}, fmt.Errorf("batch: %w", &OptionsError{err})
	}
	r, err := openResults(&o, p)
	if errors.Is(err, ErrOtherJob) {
		err = &OptionsError{err}
	}
	if err != nil {
		return Summary{Total: len(p.items)}, fmt.Errorf("batch: %w", err)
	}
	stats := newStats(len(p.items), r.answered())
	j := &job{
		options:  &o,
		plan:     p,
		results:  r,
		stats:    stats,
		reporter: newReporter(&o, stats),
		sender:   &sender{client: o.Client, access: o.access(), timeout: o.Timeout},
	}
	return j.run(ctx)
}

// job is one run of a plan.
type job struct {
	options  *Options
	plan     *plan
	results  *results
	stats    *stats
	reporter *reporter
	sender   *sender

	shownOutages     sync.Map // 503 messages that were shown already
	shownFree        sync.Map // models that were said to be free
	shownUnreachable atomic.Bool
}

func (j *job) run(parent context.Context) (Summary, error) {
	ctx, stop := context.WithCancelCause(parent)
	defer stop(nil)
	j.greet()
	stopProgress := j.reporter.start()

	todo := make(chan *item)
	done := make(chan Result, j.options.Concurrency)
	recorded := make(chan error, 1)
	go func() { recorded <- j.record(done, stop) }()

	pending := j.pending()
	var workers sync.WaitGroup
	for range min(j.options.Concurrency, len(pending)) {
		workers.Go(func() { j.work(ctx, todo, done, stop) })
	}
	feed(ctx, todo, pending)
	workers.Wait()
	close(done)
	err := <-recorded
	stopProgress()

	summary := j.stats.snapshot().Summary
	summary.Truncated = j.results.truncated()
	var stopped *StoppedError
	if cause := context.Cause(ctx); err == nil && (j.results.unsettled() > 0 || errors.As(cause, &stopped)) {
		err = cause // also where it met the last request
	}
	j.release(parent)
	return summary, j.finish(summary, err)
}

// pending are the requests without an answer, in order.
func (j *job) pending() []*item {
	var pending []*item
	for i := range j.plan.items {
		if !j.results.journal.finished[i] {
			pending = append(pending, &j.plan.items[i])
		}
	}
	return pending
}

// feed hands out the requests in order.
func feed(ctx context.Context, todo chan<- *item, pending []*item) {
	defer close(todo)
	for _, it := range pending {
		// An ended context wins even while a worker is ready.
		if ctx.Err() != nil {
			return
		}
		select {
		case todo <- it:
		case <-ctx.Done():
			return
		}
	}
}

func (j *job) greet() {
	for _, warning := range j.plan.warnings {
		j.reporter.note("warning: %s", warning)
	}
	j.reporter.note("%d requests, about %s tokens, to %s, %d at a time", len(j.plan.items),
		thousands(float64(j.plan.tokens)), j.options.URL, j.options.Concurrency)
	if n := j.results.answered(); n > 0 {
		j.reporter.note("resuming: %d of them are finished already", n)
	}
}

func (j *job) finish(summary Summary, err error) error {
	unfinished := len(j.plan.items) - j.results.answered()
	if j.options.subtitles {
		if writing := j.results.writeSubtitles(j.options, j.plan); writing != nil && err == nil {
			err = writing
		}
	}
	if closing := j.results.close(); closing != nil && err == nil {
		err = closing
	}
	if unfinished > 0 {
		advice := "run the same command again for the others"
		if j.options.Output == "-" {
			advice = "standard output can't be resumed, name an --output for that"
		}
		j.reporter.note("%d of %d requests are finished: %s", len(j.plan.items)-unfinished, len(j.plan.items), advice)
	} else if j.options.Output != "-" {
		j.reporter.note("results are in %s", j.options.results())
	}
	if j.options.subtitles {
		j.reporter.note("subtitles are in %s%s", j.options.Output, untranslated(unfinished))
	}
	fmt.Fprintln(j.options.Stderr, summary)
	if err != nil {
		return fmt.Errorf("batch: stopped with %d of %d requests unfinished: %w", unfinished, len(j.plan.items), err)
	}
	return nil
}

// untranslated says what of the subtitles is still the input's.
func untranslated(chunks int) string {
	if chunks == 0 {
		return ""
	}
	return fmt.Sprintf(", with %d chunks as they were", chunks)
}

// record keeps results as they come, as many as there are with one sync. After a fault it stops the job and drops the
// rest, which the next run sends again.
func (j *job) record(done <-chan Result, stop context.CancelCauseFunc) error {
	var fault error
	for result := range done {
		batch := []Result{result}
		for more := true; more; {
			select {
			case result, more = <-done:
				if more {
					batch = append(batch, result)
				}
			default:
				more = false
			}
		}
		if fault != nil {
			continue
		}
		if fault = j.results.add(batch); fault != nil {
			stop(fault)
			continue
		}
		j.stats.addResults(batch)
	}
	return fault
}

// work delivers one request after another. A result is handed over even when the job is being stopped: it is there.
func (j *job) work(ctx context.Context, todo <-chan *item, done chan<- Result, stop context.CancelCauseFunc) {
	for it := range todo {
		d := delivery{job: j, item: it, started: time.Now()}
		result, settled := d.run(ctx)
		if settled {
			done <- result
		}
		if d.fatal != nil {
			stop(d.fatal)
		}
	}
}

// release gives back the tickets of the requests that were waiting when the job was stopped, so that their slots serve
// others. A ticket that was under way with a request is left to expire: it may have been used.
func (j *job) release(parent context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), releaseTime)
	defer cancel()
	var releases sync.WaitGroup
	for _, ticket := range j.stats.tickets() {
		// Best effort: a booking nobody returns to is dropped by the server.
		releases.Go(func() { _ = j.sender.access.Release(ctx, j.sender.client, ticket) })
	}
	releases.Wait()
}
