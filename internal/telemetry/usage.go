package telemetry

import "context"

// Used is what an answer used.
type Used struct {
	Caller, Model                          string
	Input, Output, Thoughts, Cached, Tools int64   // tokens
	Dollars                                float64 // 0: not known
}

// Used counts what an answer used.
func (r *Recorder) Used(ctx context.Context, u Used) {
	if r == nil || r.m == nil {
		return
	}
	who := shareKey{caller: r.callers.addOrOther(u.Caller), model: r.models.orOther(u.Model)}
	for _, t := range []struct {
		kind string
		n    int64
	}{{"input", u.Input}, {"output", u.Output}, {"thought", u.Thoughts}, {"cached", u.Cached}, {"tool", u.Tools}} {
		if t.n > 0 {
			who.kind = t.kind
			r.m.used.Add(ctx, t.n, r.m.shares.of(who).add...)
		}
	}
	if who.kind = ""; u.Dollars > 0 {
		r.m.cost.Add(ctx, u.Dollars, r.m.shares.of(who).add...)
	}
}

// Refused counts a refusal for want of quota by whose it was.
func (r *Recorder) Refused(ctx context.Context, caller, model, cause string) {
	if r == nil || r.m == nil {
		return
	}
	who := shareKey{caller: r.callers.addOrOther(caller), model: r.models.orOther(model), cause: cause}
	r.m.callerRefused.Add(ctx, 1, r.m.shares.of(who).add...)
}
