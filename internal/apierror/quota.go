package apierror

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// A Quota is one of the caller's own limits as it stands.
type Quota struct {
	Cause       scheduler.Cause // ByRPM, ByTPM or ByRPD; NoCause: of a budget
	Budget      string          // its name, as in FLUXGATE_CALLERS
	Dollars     bool            // of a budget: it is in millionths of a dollar, not in tokens
	Limit, Left int64
	Window      time.Duration
	Reset       time.Duration // until nothing counts against it any more; 0: nothing does
}

// policyNames are the names of limits in RateLimit-Policy.
var policyNames = map[scheduler.Cause]string{scheduler.ByRPM: "rpm", scheduler.ByTPM: "tpm", scheduler.ByRPD: "rpd"}

// policy returns the name of a quota in RateLimit-Policy, and its unit where that isn't requests.
// Numbers are whole there, and units are names of a registry or, as these, of our own.
func (q Quota) policy() (name, unit string) {
	switch name = cmp.Or(policyNames[q.Cause], q.Budget); {
	case q.Dollars:
		return name, "microdollars"
	case q.Cause == scheduler.ByTPM || q.Cause == scheduler.NoCause:
		return name, "tokens"
	}
	return name, ""
}

// The headers of draft-ietf-httpapi-ratelimit-headers-11, and the prefix of OpenAI's.
const (
	policyHeader    = "RateLimit-Policy"
	rateLimitHeader = "RateLimit"
	openAIPrefix    = "X-Ratelimit-"
)

// SetQuotas says how the caller's own limits stand, in place of what was said before. A
// caller without any is told nothing: the pool's totals are nobody's quota.
func SetQuotas(h http.Header, f Format, quotas []Quota) {
	ClearQuotas(h)
	if len(quotas) == 0 {
		return
	}
	var policies, left []string
	for _, q := range quotas {
		name, unit := q.policy()
		policy := fmt.Sprintf(`"%s";q=%d;w=%d`, name, q.Limit, int64(q.Window/time.Second))
		if unit != "" {
			policy += fmt.Sprintf(`;qu="%s"`, unit)
		}
		policies = append(policies, policy)
		left = append(left, fmt.Sprintf(`"%s";r=%d;t=%d`, name, q.Left, int64((q.Reset+time.Second-1)/time.Second)))
		if unit, ok := openAIUnits[q.Cause]; ok && f == OpenAI {
			h.Set(openAIPrefix+"Limit-"+unit, strconv.FormatInt(q.Limit, 10))
			h.Set(openAIPrefix+"Remaining-"+unit, strconv.FormatInt(q.Left, 10))
			h.Set(openAIPrefix+"Reset-"+unit, q.Reset.Round(time.Millisecond).String())
		}
	}
	h.Set(policyHeader, strings.Join(policies, ", "))
	h.Set(rateLimitHeader, strings.Join(left, ", "))
}

// openAIUnits end the names of OpenAI's headers, which tell of a minute.
var openAIUnits = map[scheduler.Cause]string{scheduler.ByRPM: "Requests", scheduler.ByTPM: "Tokens"}

// ClearQuotas says nothing of quotas: where the pool has no room, the wait alone counts.
func ClearQuotas(h http.Header) {
	h.Del(policyHeader)
	h.Del(rateLimitHeader)
	for _, unit := range openAIUnits {
		for _, what := range []string{"Limit-", "Remaining-", "Reset-"} {
			h.Del(openAIPrefix + what + unit)
		}
	}
}
