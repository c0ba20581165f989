package quota

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// errQuota returns the 429 for a set of violations.
func errQuota(model string, embed bool, violations []violation, dailyDelay time.Duration) *wire.Error {
	var (
		lines  strings.Builder
		list   []wire.Detail
		short  []string
		delay  time.Duration
		daily  bool
		noneOf = true
	)
	for _, v := range violations {
		metric, id, name := quotaNames(v.kind, embed)
		dimensions := map[string]string{"location": "global", "model": model}
		if v.feature != noFeature {
			metric, id, name = featureNames(v.feature, v.kind)
		}
		if v.feature == Search { // it is of all models
			delete(dimensions, "model")
		}
		fmt.Fprintf(&lines, "\n* Quota exceeded for metric: %s, limit: %d, model: %s", metric, v.limit, model)
		d := wire.Detail{"quotaMetric": metric, "quotaId": id, "quotaDimensions": dimensions}
		if v.limit > 0 {
			d["quotaValue"] = strconv.FormatInt(v.limit, 10)
			short = append(short, name)
			noneOf = false
		}
		list = append(list, d)
		daily = daily || v.limit == 0 || v.kind == perDayRequests
		delay = max(delay, v.wait)
	}
	if daily {
		delay = dailyDelay
	}
	reason := strings.Join(short, "+")
	if noneOf {
		reason = "no_quota"
	}
	e := errUnnamed()
	e.Reason = reason
	e.Message += lines.String() + "\nPlease retry in " + delay.String() + "."
	e.Details = append(e.Details,
		wire.Detail{"@type": wire.TypePrefix + "QuotaFailure", "violations": list},
		wire.Detail{"@type": wire.TypePrefix + "RetryInfo", "retryDelay": strconv.FormatInt(int64(delay/time.Second), 10) + "s"})
	return e
}

// errUnnamed is the 429 that names no quota.
func errUnnamed() *wire.Error {
	const help = "https://ai.google.dev/gemini-api/docs/rate-limits"
	return &wire.Error{
		Code: http.StatusTooManyRequests, Status: "RESOURCE_EXHAUSTED",
		Message: "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: " +
			help + ". To monitor your current usage, head to: https://ai.dev/rate-limit. ",
		Details: []wire.Detail{{"@type": wire.TypePrefix + "Help", "links": []map[string]string{
			{"description": "Learn more about Gemini API quotas", "url": help}}}},
	}
}

// quotaNames returns quotaMetric, quotaId and this package's short name.
func quotaNames(kind limitKind, embed bool) (metric, id, name string) {
	const prefix = wire.Service + "/"
	requests, tokens, family := "generate_content_free_tier_requests", "generate_content_free_tier_input_token_count", "Generate"
	perMinute, perDay := "GenerateContentInputTokensPerModelPerMinute-FreeTier", "GenerateContentInputTokensPerModelPerDay-FreeTier"
	if embed {
		requests, tokens, family = "embed_content_free_tier_requests", "embed_content_free_tier_input_token_count", "EmbedContent"
		perMinute, perDay = "EmbedContentInputTokensPerMinutePerProjectPerModel-FreeTier", "EmbedContentInputTokensPerDayPerProjectPerModel-FreeTier"
	}
	switch kind {
	case perMinuteTokens:
		return prefix + tokens, perMinute, "tpm"
	case perDayTokens:
		return prefix + tokens, perDay, "tpd"
	case perDayRequests:
		return prefix + requests, family + "RequestsPerDayPerProjectPerModel-FreeTier", "rpd"
	default:
		return prefix + requests, family + "RequestsPerMinutePerProjectPerModel-FreeTier", "rpm"
	}
}

// featureNames returns what quotaNames does, of a feature.
func featureNames(f Feature, kind limitKind) (metric, id, name string) {
	const prefix = wire.Service + "/"
	switch {
	case f == Search && kind == perDayRequests:
		return prefix + "search_grounding_requests_free_tier", "SearchGroundingRequestsPerDayPerProject", "search_day"
	case f == Search:
		return prefix + "search_grounding_requests_free_tier", "SearchGroundingRequestsPerMinutePerProject", "search_minute"
	case kind == perDayRequests:
		return prefix + "generate_images_free_tier", "GenerateImagesPerDayPerProjectPerModel-FreeTier", "images_day"
	}
	return prefix + "generate_images_free_tier", "GenerateImagesPerMinutePerProjectPerModel-FreeTier", "images_minute"
}
