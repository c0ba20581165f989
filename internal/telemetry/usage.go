package telemetry

// Used is what an answer used.
type Used struct {
	Caller, Model                          string
	Input, Output, Thoughts, Cached, Tools int64 // tokens
	Cost                                   int64 // in 1e-12 dollars; 0: not known
}

// Used counts what an answer used.
func (r *Recorder) Used(u Used) {
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
			r.m.used.add(who, t.n)
		}
	}
	if who.kind = ""; u.Cost > 0 {
		r.m.cost.add(who, u.Cost)
	}
}

// Refused counts a refusal for want of quota by whose it was.
func (r *Recorder) Refused(caller, model, cause string) {
	if r == nil || r.m == nil {
		return
	}
	who := shareKey{caller: r.callers.addOrOther(caller), model: r.models.orOther(model), cause: cause}
	r.m.callerRefused.add(who, 1)
}
