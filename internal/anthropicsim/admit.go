package anthropicsim

import (
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/internal/simserver"
)

// admit charges a request to the quota, waits as long as an answer takes, and fails where it
// is to. Input counts at once, as much of it as isn't read from a cache; of the output one
// token, so that who has none left is refused. It returns how the rest is counted, piece by
// piece as it is produced, and which tier serves.
func (c *call) admit(model string, uncached int64, tier string) (count func(output int64), served string, e *apiError) {
	c.Log.Model = model
	switch {
	case !c.s.Knows(model):
		return nil, "", &apiError{http.StatusNotFound, "not_found_error", "model: " + model, nil}
	case c.Key.State == Limited:
		return nil, "", &apiError{http.StatusForbidden, "permission_error", "Your API key does not have permission to use the specified resource.", nil}
	case c.Key.State == Spent:
		return nil, "", errSpent()
	case c.Key.State == Capped:
		y, m, _ := c.Arrived.UTC().Date()
		return nil, "", errCapped(time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	}
	want := simquota.Amounts{simquota.Requests: 1, simquota.InputTokens: uncached, simquota.OutputTokens: 1, simquota.Tokens: uncached}
	refused := c.s.Try(c.Call, model, want)
	standings := c.s.Standings(c.Call, model)
	if c.compat {
		tellCompat(c.W.Header(), standings)
	} else {
		tell(c.W.Header(), ratePrefix, standings, c.Arrived)
	}
	if refused != nil {
		if !refused.Never {
			c.W.Header().Set("Retry-After", simserver.Seconds(refused.Wait))
		}
		return nil, "", refusal(c.Key.Project, model, refused)
	}
	served = "standard"
	if c.s.priority != nil && tier != "standard_only" {
		if _, no := c.s.priority.Try(c.Arrived, c.Key.Project, model, want); no == nil {
			served = "priority"
		}
		tell(c.W.Header(), priorityPrefix, c.s.priority.Standings(c.Arrived, c.Key.Project, model), c.Arrived)
	}
	c.Log.Input = uncached
	if f, ok := c.s.NextFailure(); ok {
		c.Cut, c.overload = f == CutStream, f == OverloadedStream
		if e := f.error(); e != nil {
			return nil, "", e
		}
	}
	c.s.Delay(c.R.Context())
	first := true
	return func(output int64) {
		c.Log.Output += output
		if first {
			first = false
			output--
		}
		more := simquota.Amounts{simquota.OutputTokens: output, simquota.Tokens: output}
		c.s.Ledger().Add(c.s.Now(), c.Key.Project, model, more)
		if served == "priority" {
			c.s.priority.Add(c.s.Now(), c.Key.Project, model, more)
		}
	}, served, nil
}
