package remote

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Headers by which a Fluxgate and a client that waits understand each other.
const (
	ticketHeader   = "X-Fluxgate-Ticket"
	bookHeader     = "X-Fluxgate-Book"
	punctualHeader = "X-Fluxgate-Punctual"
	bookedHeader   = "X-Fluxgate-Booked"
	deadlineHeader = "X-Fluxgate-Deadline"
	// freeHeader names a model of the chain that is free now.
	freeHeader = "X-Fluxgate-Free-Model"
	// retryHeader is on waits of Fluxgate's own alone, and exact.
	retryHeader = "X-Fluxgate-Retry-Ms"
)

// A Turn is one request on the way to its turn: what it was told, and what it sends when it comes back. The zero value is
// that of a request that hasn't been sent. Not safe for concurrent use.
type Turn struct {
	// Ticket is that of the last answer that had one, and Booked whether a slot is kept for it.
	Ticket string
	Booked bool
	// Free is a model of the chain that was free when the last answer came, of those that the sender didn't take; empty: none.
	Free string
}

// Ask adds what every try says: that the sender will return, at the millisecond that it is told, and its ticket.
func (t *Turn) Ask(h http.Header) {
	h.Set(bookHeader, "true")
	h.Set(punctualHeader, "true")
	if t.Ticket != "" {
		h.Set(ticketHeader, t.Ticket)
	}
}

// Within adds how long the sender can wait, so that nothing is kept for it in vain.
func Within(h http.Header, left time.Duration) {
	h.Set(deadlineHeader, fmt.Sprintf("%.3f", max(0, left.Seconds())))
}

// Heard takes note of an answer.
func (t *Turn) Heard(h http.Header) {
	t.Free = h.Get(freeHeader)
	if ticket := h.Get(ticketHeader); ticket != "" {
		t.Ticket, t.Booked = ticket, !strings.EqualFold(h.Get(bookedHeader), "false")
	}
}

// Refused returns how long a refusal says to wait, from when it arrived, and whether the wait is Fluxgate's own: 429 for
// want of quota, or 5xx while it has no room itself or upstream has none. Others that it passes on don't count, whatever
// their status: of them it doesn't say that the wait mends anything.
func Refused(status int, h http.Header, arrived time.Time) (wait time.Duration, own bool) {
	switch {
	case status == http.StatusTooManyRequests:
		// A server that is older has no header for the wait alone.
		own = h.Get(retryHeader) != "" || h.Get(ticketHeader) != ""
	case status >= http.StatusInternalServerError:
		own = h.Get(retryHeader) != ""
	}
	if !own {
		return 0, false
	}
	wait = readWait(h, "", arrived)
	return wait, wait > 0
}

// Release gives a ticket back. The server drops a booking that nobody returns to, so a failure costs little.
func (a Access) Release(ctx context.Context, client *http.Client, ticket string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, a.URL+"/tickets/"+url.PathEscape(ticket), nil)
	if err != nil {
		return fmt.Errorf("releasing a ticket: %w", Cause(err))
	}
	if err := a.Authorize(request); err != nil {
		return fmt.Errorf("releasing a ticket: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("releasing a ticket: %w", Cause(err))
	}
	return response.Body.Close()
}

// Sleep waits until an instant. False means that the context ended before.
func Sleep(ctx context.Context, until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
