package anthropicsim

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/internal/simserver"
)

// names are how headers and messages call dimensions.
var names = map[simquota.Dimension]string{
	simquota.Requests: "requests", simquota.Tokens: "tokens", simquota.InputTokens: "input-tokens", simquota.OutputTokens: "output-tokens",
}

// tell writes the headers of limits (documented): remaining tokens to the nearest thousand, and
// the instant at which all is there again. Without a limit for all tokens, tokens has the sum of
// input and output, as captured (38,000 of 30,000 and 8,000).
func tell(h http.Header, prefix string, standings []simquota.Standing, now time.Time) {
	var sum simquota.Standing
	told := false
	for _, s := range standings {
		if s.Limit.Amount < 0 || s.Limit.Per == 0 {
			continue
		}
		tellOne(h, prefix+names[s.Limit.Dimension], s, now)
		switch s.Limit.Dimension {
		case simquota.Tokens:
			told = true
		case simquota.InputTokens, simquota.OutputTokens:
			sum.Limit.Dimension = simquota.Tokens
			sum.Limit.Amount += s.Limit.Amount
			sum.Remaining += s.Remaining
			sum.Full = max(sum.Full, s.Full)
		}
	}
	if !told && sum.Limit.Amount > 0 && prefix == ratePrefix {
		tellOne(h, prefix+"tokens", sum, now)
	}
}

const (
	ratePrefix     = "Anthropic-Ratelimit-"
	priorityPrefix = "Anthropic-Priority-"
	fastPrefix     = "Anthropic-Fast-"
)

func tellOne(h http.Header, name string, s simquota.Standing, now time.Time) {
	remaining := s.Remaining
	if s.Limit.Dimension != simquota.Requests {
		remaining = (remaining + 500) / 1000 * 1000
	}
	h.Set(name+"-Limit", strconv.FormatInt(s.Limit.Amount, 10))
	h.Set(name+"-Remaining", strconv.FormatInt(remaining, 10))
	h.Set(name+"-Reset", now.Add(s.Full).Add(time.Second-1).Truncate(time.Second).UTC().Format(time.RFC3339))
}

// tellCompat writes them as OpenAI's clients expect (documented that all six are there).
func tellCompat(h http.Header, standings []simquota.Standing) {
	for _, s := range standings {
		name, ok := map[simquota.Dimension]string{simquota.Requests: "Requests", simquota.InputTokens: "Tokens", simquota.Tokens: "Tokens"}[s.Limit.Dimension]
		if !ok {
			continue
		}
		h.Set("X-Ratelimit-Limit-"+name, strconv.FormatInt(s.Limit.Amount, 10))
		h.Set("X-Ratelimit-Remaining-"+name, strconv.FormatInt(s.Remaining, 10))
		h.Set("X-Ratelimit-Reset-"+name, s.Full.Round(time.Millisecond).String())
	}
}

// refusal is the error for a limit, in captured words.
func refusal(project, model string, r *simquota.Refusal) *apiError {
	what := strings.ReplaceAll(names[r.Limit.Dimension], "-", " ")
	limit := thousands(r.Limit.Amount) + " " + what + " per minute"
	switch {
	case r.Limit.Kind == simquota.AtOnce:
		return &apiError{http.StatusTooManyRequests, "rate_limit_error", "Number of concurrent connections has exceeded your rate limit. Please try again later or contact sales at " +
			"https://claude.com/contact-sales to discuss your options for a rate limit increase.", nil}
	case r.Limit.Per == 24*time.Hour:
		limit = thousands(r.Limit.Amount) + " " + what + " per day"
	}
	return &apiError{http.StatusTooManyRequests, "rate_limit_error", "This request would exceed your organization's rate limit of " + limit + " (org: " + project + ", model: " + model + "). " +
		"For details, refer to: https://docs.claude.com/en/api/rate-limits. You can see the response headers for current usage. Please reduce the prompt length or the maximum " +
		"tokens requested, or try again later. You may also contact sales at https://claude.com/contact-sales to discuss your options for a rate limit increase.", nil}
}

// refused is the error for a limit, and says when to come back.
func (c *call) refused(model string, r *simquota.Refusal) *apiError {
	if !r.Never {
		c.W.Header().Set("Retry-After", simserver.Seconds(r.Wait))
	}
	return refusal(c.Key.Project, model, r)
}

// thousands writes a number as messages have it: 2,000,000.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
