package quota

import (
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// spendWindow is how long what was spent counts (documented).
const spendWindow = 10 * time.Minute

// A billing is an account that projects are billed to, and what it may spend.
type billing struct {
	limit int64 // input tokens in spendWindow; negative: unlimited
	spent []spending
}

// spending is one request's.
type spending struct{ at, tokens int64 }

// SetBilling has projects be billed to one account, which may spend so many input tokens
// in any ten minutes; negative: any number.
func (l *Ledger) SetBilling(limit int64, projects ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := &billing{limit: limit}
	for _, p := range projects {
		l.billing[p] = b
	}
}

// refuse returns the refusal of a request for what its account has spent, or nil. A nil
// account refuses nothing.
func (b *billing) refuse(now, tokens int64) *wire.Error {
	if b == nil || b.limit < 0 {
		return nil
	}
	for len(b.spent) > 0 && b.spent[0].at+int64(spendWindow) <= now {
		b.spent = b.spent[1:]
	}
	total := tokens
	for _, x := range b.spent {
		total += x.tokens
	}
	if total <= b.limit {
		return nil
	}
	return errOverspent()
}

// spend charges a request to the account.
func (b *billing) spend(now, tokens int64) {
	if b != nil {
		b.spent = append(b.spent, spending{now, tokens})
	}
}

// errOverspent is the refusal of the spend-based limit, as it was captured: some with
// RetryInfo of 31 to 45 s, whatever is left of the ten minutes.
func errOverspent() *wire.Error {
	return &wire.Error{
		Code: http.StatusTooManyRequests, Status: "RESOURCE_EXHAUSTED", Reason: "overspent",
		Message: "You exceeded your spend-based rate limit. Your spending rate has exceeded the allowed limit for your account's billing history and tier.",
		Details: []wire.Detail{
			{"@type": wire.TypePrefix + "QuotaFailure", "violations": []wire.Detail{}},
			{"@type": wire.TypePrefix + "RetryInfo", "retryDelay": "35s"},
		},
	}
}
