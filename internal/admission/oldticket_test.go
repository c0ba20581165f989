package admission_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
)

// Who keeps a ticket for long after its time hasn't waited all that time: with it, its requests have their turns as
// without, whether the instance told it that time itself or another did. It was up to nine requests ahead of the other
// caller, and is one.
func TestAnOldTicketGainsNothing(t *testing.T) {
	for name, elsewhere := range map[string]bool{"told here": false, "told elsewhere": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := sharedPool(t, 10)
				type waiter struct {
					req admission.Request
					at  scheduler.Instant
				}
				var line []*waiter
				served, lead := map[string]int{}, 0
				next := func(caller string, ticket *admission.Ticket) *waiter {
					req := b.request()
					req.Caller, req.Ticket = caller, ticket
					return &waiter{req: req, at: b.Now() + 1000}
				}
				run := func(d time.Duration) {
					for end := b.Now().Add(d); b.Now() < end; time.Sleep(time.Second) {
						for _, w := range line {
							if w.at > b.Now() {
								continue
							}
							if grant, wait := b.admit(w.req); grant == nil {
								w.at = wait.Start
							} else {
								served[w.req.Caller]++
								lead = max(lead, served["alice"]-served["bob"])
								*w = *next(w.req.Caller, w.req.Ticket)
							}
						}
					}
				}
				b.granted(b.others())
				b.granted(b.request())
				for range 20 {
					line = append(line, next("bob", nil))
				}
				run(30 * time.Second)
				at := b
				if elsewhere {
					at = atOneOfTwo(t, b)
				}
				ticket := b.ticket(at.refused(b.request()))
				run(20 * time.Minute)
				clear(served)
				lead = 0
				for range 20 {
					line = append(line, next("alice", ticket))
				}
				run(5 * time.Minute)
				t.Log(served, lead)
				assert.LessOrEqual(t, lead, 3)
			})
		})
	}
}
