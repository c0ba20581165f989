package admission

import (
	"context"
	"fmt"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// Settle tells what became of a grant: its real input tokens (negative:
// unknown) and when its last byte was sent, in local time (zero: unknown). What
// weighs more than was reserved, and what others wait for, is committed before Settle
// returns; what weighs less rides along with the next commit, and so does what couldn't be
// committed in time, with an error. It may have been all the same: settled twice is settled
// once, but that a failure is counted twice.
func (c *Controller) Settle(ctx context.Context, grant *Grant, tokens int64, sentAt time.Time) error {
	return c.settle(ctx, grant, scheduler.Settle{Tokens: tokens}, sentAt)
}

// settleTimeout bounds the commit of what was settled, however long its context would: the
// caller's answer ends with it.
const settleTimeout = 10 * time.Second

// A Failure is how the request of a grant failed.
type Failure struct {
	Class        string    // of upstream's error
	SentAt       time.Time // of its last byte; zero: it was certainly not sent in full
	UnknownModel bool      // upstream doesn't know the model, which then leaves no state
	Refused      bool      // it is for a limit of the model, as what is recorded next says
}

// Fail tells that the request of a grant failed. Whether upstream counts failed
// requests is not established, so the slot stays used if the request was sent.
func (c *Controller) Fail(ctx context.Context, grant *Grant, f Failure) error {
	if f.UnknownModel || f.SentAt.IsZero() {
		c.cancel(grant, scheduler.Cancel{Unknown: f.UnknownModel, Failed: f.Class})
		return nil
	}
	return c.settle(ctx, grant, scheduler.Settle{Tokens: -1, Failed: f.Class, Unanswered: !f.Refused}, f.SentAt)
}

func (c *Controller) settle(ctx context.Context, grant *Grant, s scheduler.Settle, sentAt time.Time) error {
	s.Model, s.ID, s.Reserved, s.Caller = grant.Model, grant.Reservation.ID, grant.Reservation, grant.Caller
	now := c.Now()
	if !sentAt.IsZero() {
		s.SentAt = now - scheduler.Instant(time.Since(sentAt)/time.Millisecond)
	}
	s.Beyond = grant.Beyond
	s.Also, s.Counted, s.Answered = grant.Also, grant.Counted, now
	larger := s.Tokens > grant.Reservation.Tokens
	for i, n := range grant.Counted[:min(len(grant.Counted), len(grant.Also))] {
		larger = larger || n > grant.Also[i].Reservation.Tokens
	}
	if !grant.Trial && !larger && !scheduler.AtATime(c.Rules(), grant.Also) && s.SentAt <= c.latestArrival(grant) {
		c.store.Later(c.Rules(), grant.Project, s)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if _, err := c.store.Apply(ctx, c.Rules(), grant.Project, s); err != nil {
		s.Beyond = false // it may have been made
		c.store.Later(c.Rules(), grant.Project, s)
		return fmt.Errorf("settle: %w", err)
	}
	return nil
}

// Learn records what upstream refused. What can't be recorded in time is with the project's next
// commit, as of now, with an error: until then this instance alone knows of it.
func (c *Controller) Learn(ctx context.Context, project string, refusal scheduler.RecordRefusal) (scheduler.Result, error) {
	at := c.Now()
	result, err := c.store.Apply(ctx, c.Rules(), project, refusal)
	if err != nil {
		refusal.At = at
		c.store.Later(c.Rules(), project, refusal)
		return result, fmt.Errorf("record a refusal: %w", err)
	}
	return result, nil
}

// latestArrival is until when the reservation's interval covers an arrival.
func (c *Controller) latestArrival(grant *Grant) scheduler.Instant {
	return grant.Reservation.End - scheduler.Instant(scheduler.Window/time.Millisecond)
}

// Cancel takes back a grant whose request was certainly never sent. Unknown
// says that upstream doesn't know the model, which then leaves no state.
func (c *Controller) Cancel(grant *Grant, unknown bool) {
	c.cancel(grant, scheduler.Cancel{Unknown: unknown})
}

func (c *Controller) cancel(grant *Grant, change scheduler.Cancel) {
	change.Model, change.ID, change.Caller = grant.Model, grant.Reservation.ID, grant.Caller
	change.Reserved, change.Also = grant.Reservation, grant.Also
	c.store.Later(c.Rules(), grant.Project, change)
}
