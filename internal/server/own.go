package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"fluxgate.dev/fluxgate/internal/callers"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/scheduler"
)

// A caller's own limits are kept like those of a project, in a document of
// their own with one calendar: RPM, TPM and RPD mean the same. They are checked
// before planning and committed with the grant, so a caller that has limits
// costs one write more, and one that has none costs nothing. Nothing is booked.

// ownModel names the only calendar of a caller's document.
const ownModel = "all"

// ownDocument is the ID of a caller's document. No project's ID has the sign.
func ownDocument(caller string) string { return "caller=" + caller }

// ownRules returns the rules of every caller that has limits.
func ownRules(limits config.LimitsByCaller, rules *scheduler.Rules) map[string]*scheduler.Rules {
	out := make(map[string]*scheduler.Rules, len(limits))
	unlimited := scheduler.Unlimited
	for name, l := range limits {
		o := scheduler.Override(l)
		for _, limit := range []**int64{&o.RPM, &o.TPM, &o.RPD} {
			if *limit == nil {
				*limit = &unlimited
			}
		}
		own := *rules
		own.Policy = scheduler.NewPolicy([]string{ownModel}, map[string]scheduler.Override{ownModel: o})
		out[name] = &own
	}
	return out
}

// An ownLimit is the error of a caller whose own limit is used up.
type ownLimit struct {
	caller string
	offer  scheduler.Offer
	limit  scheduler.EffectiveLimits
}

func (o *ownLimit) Error() string {
	return fmt.Sprintf("the own limit of caller %s is used up: %s", o.caller, o.offer.Cause)
}

// An ownQuota is a caller's slot in its own limits. The nil one is that of a
// caller without limits.
type ownQuota struct {
	s        *Server
	rules    *scheduler.Rules
	caller   string
	demand   scheduler.Demand
	reserved *scheduler.Reservation
}

func (s *Server) ownQuota(caller callers.Caller, demand scheduler.Demand) *ownQuota {
	rules := s.callerRules[caller.Name]
	if rules == nil {
		return nil
	}
	return &ownQuota{s: s, rules: rules, caller: caller.Name, demand: demand}
}

// ownAllowance is how much later than its start a request may be sent for the
// sake of the caller's own slot, which is committed after the project's.
const ownAllowance = 500 * time.Millisecond

func (q *ownQuota) allowance() time.Duration {
	if q == nil {
		return 0
	}
	return ownAllowance
}

// check fails with an ownLimit when there is no room now.
func (q *ownQuota) check(ctx context.Context) error {
	if q == nil || q.reserved != nil {
		return nil
	}
	id := ownDocument(q.caller)
	offer, states, err := q.plan(ctx)
	if err == nil && !offer.Now() {
		// Before anybody is refused, what may be stale is read.
		if err = q.s.gate.Store().Refresh(ctx, []string{id}, false); err == nil {
			offer, states, err = q.plan(ctx)
		}
	}
	if err != nil || offer.Now() {
		return err
	}
	if offer.Start == scheduler.Never {
		return &problem{code: neverFits, public: "The request is larger than your own limits ever allow. Send less input, or ask the operator."}
	}
	return &ownLimit{q.caller, offer, states[0].Calendar(ownModel).EffectiveLimits(q.rules, q.s.gate.Now())}
}

func (q *ownQuota) plan(ctx context.Context) (scheduler.Offer, []*scheduler.Project, error) {
	id := ownDocument(q.caller)
	states, err := q.s.gate.Store().View(ctx, []string{id})
	if err != nil {
		return scheduler.Offer{}, nil, err
	}
	offer, _ := scheduler.Plan(q.rules, q.s.gate.Now(), []scheduler.Candidate{{ID: id, State: states[0]}},
		scheduler.Request{Chain: []string{ownModel}, Demand: q.demand}, rand.IntN)
	return offer, states, nil
}

// reserve takes the slot, now that a project has one. It fails with an ownLimit
// when another request of the same caller was faster.
func (q *ownQuota) reserve(ctx context.Context) error {
	if q == nil || q.reserved != nil {
		return nil
	}
	result, err := q.s.gate.Store().Apply(ctx, q.rules, ownDocument(q.caller), scheduler.Reserve{
		Model: ownModel, Demand: q.demand, ID: uint64(rand.Uint32()) | 1<<32,
	})
	if err != nil {
		return err
	}
	if result.Verdict != scheduler.Admitted {
		return &ownLimit{q.caller, scheduler.Offer{Model: ownModel, Start: result.Start, Cause: result.Cause},
			(&scheduler.Calendar{Model: ownModel}).EffectiveLimits(q.rules, q.s.gate.Now())}
	}
	q.reserved = &result.Reservation
	return nil
}

// settle corrects the slot when the tokens are known; negative: unknown. It
// rides along with the caller's next request.
func (q *ownQuota) settle(tokens int64) {
	if q == nil || q.reserved == nil {
		return
	}
	q.s.gate.Store().Later(q.rules, ownDocument(q.caller), scheduler.Settle{
		Model: ownModel, ID: q.reserved.ID, Reserved: *q.reserved, Tokens: tokens,
	})
	q.reserved = nil
}

// giveBack takes the slot of a request back that nothing came of.
func (q *ownQuota) giveBack() {
	if q == nil || q.reserved == nil {
		return
	}
	q.s.gate.Store().Later(q.rules, ownDocument(q.caller), scheduler.Cancel{Model: ownModel, ID: q.reserved.ID})
	q.reserved = nil
}

// writeOwnLimit answers a caller whose own limit is used up.
func writeOwnLimit(w http.ResponseWriter, d dialect, o *ownLimit, now scheduler.Instant) {
	left := max(o.offer.Start.Sub(now), time.Millisecond)
	setRetry(w.Header(), left)
	w.Header().Set(bookedHeader, "false")
	v := violation{
		Metric:     "fluxgate.dev/requests_per_caller",
		ID:         "RequestsPerMinutePerCaller",
		Dimensions: map[string]string{"caller": o.caller},
		Value:      strconv.FormatInt(o.limit.RPM, 10),
	}
	switch o.offer.Cause {
	case scheduler.ByTPM:
		v.Metric, v.ID, v.Value = "fluxgate.dev/input_tokens_per_caller", "InputTokensPerMinutePerCaller", strconv.FormatInt(o.limit.TPM, 10)
	case scheduler.ByRPD:
		v.ID, v.Value = "RequestsPerDayPerCaller", strconv.FormatInt(o.limit.RPD, 10)
	}
	delay := strconv.FormatFloat(left.Seconds(), 'f', 3, 64) + "s"
	writeError(w, d, errorStatus{
		Code:    http.StatusTooManyRequests,
		Status:  "RESOURCE_EXHAUSTED",
		Message: fmt.Sprintf("Your own limit here is used up (caller %s, quota %s, limit: %s), whatever the projects could take. Please retry in %s.", o.caller, v.ID, v.Value, delay),
		Details: []any{quotaFailure{typeQuotaFailure, []violation{v}}, retryInfo{typeRetryInfo, delay}},
	})
}
