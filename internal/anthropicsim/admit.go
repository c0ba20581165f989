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
func (c *call) admit(model string, uncached int64, tier, speed string) (count func(output int64), served string, e *apiError) {
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
	var more func(simquota.Amounts)
	if served = "standard"; servedAt(speed, model) == "fast" {
		more, e = c.admitFast(model, want)
	} else {
		more, served, e = c.admitPlain(model, want, tier)
	}
	if e != nil {
		return nil, "", e
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
		more(simquota.Amounts{simquota.OutputTokens: output, simquota.Tokens: output})
	}, served, nil
}

// admitPlain charges a request to the limits that its model shares with others, and to those of a
// Priority Tier commitment that has room.
func (c *call) admitPlain(model string, want simquota.Amounts, tier string) (more func(simquota.Amounts), served string, e *apiError) {
	counted := Shared(model)
	refused := c.s.Try(c.Call, counted, want)
	standings := c.s.Standings(c.Call, counted)
	if c.compat {
		tellCompat(c.W.Header(), standings)
	} else {
		tell(c.W.Header(), ratePrefix, standings, c.Arrived)
	}
	if refused != nil {
		return nil, "", c.refused(model, refused)
	}
	served = "standard"
	if c.s.priority != nil && tier != "standard_only" {
		if _, no := c.s.priority.Try(c.Arrived, c.Key.Project, model, want); no == nil {
			served = "priority"
		}
		tell(c.W.Header(), priorityPrefix, c.s.priority.Standings(c.Arrived, c.Key.Project, model), c.Arrived)
	}
	return func(a simquota.Amounts) {
		c.s.Ledger().Add(c.s.Now(), c.Key.Project, counted, a)
		if served == "priority" {
			c.s.priority.Add(c.s.Now(), c.Key.Project, model, a)
		}
	}, served, nil
}
