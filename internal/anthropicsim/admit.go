package anthropicsim

import (
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/simquota"
)

// admit charges a request to the quota, waits as long as an answer takes, and fails where it
// is to. Input counts at once, as much of it as isn't read from a cache; of the output one
// token, so that who has none left is refused. It returns how the rest is counted, piece by
// piece as it is produced, and which tier serves.
func (c *call) admit(model string, uncached int64, tier string) (count func(output int64), served string, e *apiError) {
	c.log.Model = model
	switch {
	case !c.s.knows(model):
		return nil, "", &apiError{http.StatusNotFound, "not_found_error", "model: " + model, nil}
	case c.key.State == Limited:
		return nil, "", &apiError{http.StatusForbidden, "permission_error", "Your API key does not have permission to use the specified resource.", nil}
	case c.key.State == Spent:
		return nil, "", errSpent()
	case c.key.State == Capped:
		y, m, _ := c.arrived.UTC().Date()
		return nil, "", errCapped(time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	}
	want := simquota.Amounts{simquota.Requests: 1, simquota.InputTokens: uncached, simquota.OutputTokens: 1, simquota.Tokens: uncached}
	charge, refused := c.s.ledger.Try(c.arrived, c.key.Project, model, want)
	if c.compat {
		tellCompat(c.w.Header(), c.s.ledger.Standings(c.arrived, c.key.Project, model))
	} else {
		tell(c.w.Header(), ratePrefix, c.s.ledger.Standings(c.arrived, c.key.Project, model), c.arrived)
	}
	if refused != nil {
		if !refused.Never {
			c.w.Header().Set("Retry-After", seconds(refused.Wait))
		}
		return nil, "", refusal(c.key.Project, model, refused)
	}
	served = "standard"
	if len(c.s.cfg.Priority) > 0 && tier != "standard_only" {
		if _, no := c.s.priority.Try(c.arrived, c.key.Project, model, want); no == nil {
			served = "priority"
		}
		tell(c.w.Header(), priorityPrefix, c.s.priority.Standings(c.arrived, c.key.Project, model), c.arrived)
	}
	c.charge, c.log.Input = charge, uncached
	if f, ok := c.s.nextFailure(); ok {
		c.cut, c.overload = f == CutStream, f == OverloadedStream
		if e := f.error(); e != nil {
			return nil, "", e
		}
	}
	if !c.sleep(c.s.cfg.Latency) {
		panic(http.ErrAbortHandler)
	}
	first := true
	return func(output int64) {
		c.log.Output += output
		if first {
			first = false
			output--
		}
		more := simquota.Amounts{simquota.OutputTokens: output, simquota.Tokens: output}
		c.s.ledger.Add(c.s.cfg.Now(), c.key.Project, model, more)
		if served == "priority" {
			c.s.priority.Add(c.s.cfg.Now(), c.key.Project, model, more)
		}
	}, served, nil
}

// sleep waits, and reports whether the client still does.
func (c *call) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.r.Context().Done():
		return false
	}
}
