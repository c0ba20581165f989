package ratelimits_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
)

// now is when the answers of the tests came.
var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// header reads "name: value" lines.
func header(text string) http.Header {
	h := http.Header{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			h.Set(name, value)
		}
	}
	return h
}

func in(d time.Duration) time.Time { return now.Add(d) }

// limit is one whose period the headers or the dialect say.
func limit(d ratelimits.Dimension, per time.Duration, limit, remaining int64, reset time.Duration) ratelimits.Limit {
	l := ratelimits.Limit{Dimension: d, Per: per, Limit: limit, Remaining: remaining}
	if reset >= 0 {
		l.Reset = in(reset)
	}
	return l
}

// refilled returns a limit that is filled evenly, as its reset says.
func refilled(l ratelimits.Limit) ratelimits.Limit {
	l.Refills = true
	return l
}

// inferred is one whose period was told from its reset.
func inferred(l ratelimits.Limit) ratelimits.Limit {
	l.Inferred = true
	return l
}

// rounded is one of Anthropic's.
func rounded(tier ratelimits.Tier, l ratelimits.Limit) ratelimits.Limit {
	l.Tier, l.Rounded = tier, 1000
	return l
}

const (
	requests, tokens, input, output = ratelimits.Requests, ratelimits.Tokens, ratelimits.InputTokens, ratelimits.OutputTokens
	none                            = time.Duration(-1)
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name    string // and where it is from
		dialect ratelimits.Dialect
		header  string
		want    []ratelimits.Limit
		retry   time.Duration
	}{
		{"OpenAI, the example of its guide (developers.openai.com/api/docs/guides/rate-limits), whose resets fit no period of tokens", ratelimits.OpenAI, `
			x-ratelimit-limit-requests: 60
			x-ratelimit-limit-tokens: 150000
			x-ratelimit-remaining-requests: 59
			x-ratelimit-remaining-tokens: 149984
			x-ratelimit-reset-requests: 1s
			x-ratelimit-reset-tokens: 6m0s`,
			[]ratelimits.Limit{inferred(limit(requests, time.Minute, 60, 59, time.Second)), limit(tokens, time.Minute, 150_000, 149_984, 6*time.Minute)}, 0},
		{"OpenAI, captured at community.openai.com/t/1268905", ratelimits.OpenAI, `
			x-ratelimit-limit-requests: 5000
			x-ratelimit-limit-tokens: 160000
			x-ratelimit-limit-tokens_usage_based: 160000
			x-ratelimit-remaining-requests: 4999
			x-ratelimit-remaining-tokens: 159976
			x-ratelimit-reset-requests: 12ms
			x-ratelimit-reset-tokens: 9ms`,
			[]ratelimits.Limit{inferred(limit(requests, time.Minute, 5000, 4999, 12*time.Millisecond)), limit(tokens, time.Minute, 160_000, 159_976, 9*time.Millisecond)}, 0},
		{"OpenAI's requests of a day, captured of tier 1", ratelimits.OpenAI, `
			x-ratelimit-limit-requests: 10000
			x-ratelimit-remaining-requests: 9999
			x-ratelimit-reset-requests: 8.64s`,
			[]ratelimits.Limit{refilled(inferred(limit(requests, day, 10_000, 9999, 8640*time.Millisecond)))}, 0},
		{"OpenAI's requests of a day, captured of the free tier", ratelimits.OpenAI, `
			x-ratelimit-limit-requests: 200
			x-ratelimit-remaining-requests: 199
			x-ratelimit-reset-requests: 7m12s`,
			[]ratelimits.Limit{refilled(inferred(limit(requests, day, 200, 199, 432*time.Second)))}, 0},
		{"OpenAI, nothing used yet: the period isn't known", ratelimits.OpenAI, `
			x-ratelimit-limit-requests: 500
			x-ratelimit-remaining-requests: 500
			x-ratelimit-reset-requests: 0s`,
			[]ratelimits.Limit{limit(requests, 0, 500, 500, 0)}, 0},
		{"OpenAI's shares of its own projects (names captured)", ratelimits.OpenAI, `
			x-ratelimit-limit-tokens: 1000
			x-ratelimit-limit-project-tokens: 400
			x-ratelimit-remaining-project-tokens: 100
			x-ratelimit-reset-project-tokens: 45s`,
			[]ratelimits.Limit{limit(tokens, time.Minute, 1000, -1, none),
				{Dimension: tokens, Tier: ratelimits.Share, Per: time.Minute, Limit: 400, Remaining: 100, Reset: in(45 * time.Second)}}, 0},
		{"Groq, the example of console.groq.com/docs/rate-limits", ratelimits.Groq, `
			retry-after: 2
			x-ratelimit-limit-requests: 14400
			x-ratelimit-limit-tokens: 18000
			x-ratelimit-remaining-requests: 14370
			x-ratelimit-remaining-tokens: 17997
			x-ratelimit-reset-requests: 2m59.56s
			x-ratelimit-reset-tokens: 7.66s`,
			[]ratelimits.Limit{refilled(limit(requests, day, 14_400, 14_370, 179_560*time.Millisecond)), limit(tokens, time.Minute, 18_000, 17_997, 7660*time.Millisecond)}, 2 * time.Second},
		{"Groq's retry-after with a fraction, captured", ratelimits.Groq, `retry-after: 7.66`, nil, 7660 * time.Millisecond},
		{"Azure, captured of a success in 2026", ratelimits.Azure, `
			x-ratelimit-limit-requests: 9000
			x-ratelimit-limit-tokens: 1500000
			x-ratelimit-remaining-requests: 8999
			x-ratelimit-remaining-tokens: 745399
			x-ratelimit-renewalperiod-requests: 10
			x-ratelimit-renewalperiod-tokens: 60
			x-ratelimit-reset-requests: 0
			x-ratelimit-reset-tokens: 30`,
			[]ratelimits.Limit{limit(requests, 10*time.Second, 9000, 8999, 0), limit(tokens, time.Minute, 1_500_000, 745_399, 30*time.Second)}, 0},
		{"Azure, captured of a refusal for tokens in 2026", ratelimits.Azure, `
			retry-after: 1
			retry-after-ms: 0
			x-ratelimit-limit-requests: 5
			x-ratelimit-limit-tokens: 5000
			x-ratelimit-remaining-requests: 4
			x-ratelimit-remaining-tokens: 0
			x-ratelimit-renewalperiod-requests: 60
			x-ratelimit-renewalperiod-tokens: 60
			x-ratelimit-reset-requests: 12
			x-ratelimit-reset-tokens: 0
			x-ratelimit-type: Tokens`,
			[]ratelimits.Limit{limit(requests, time.Minute, 5, 4, 12*time.Second), limit(tokens, time.Minute, 5000, 0, 0)}, time.Second},
		{"Azure's Responses API, captured at learn.microsoft.com/answers/questions/5625878: nothing said", ratelimits.Azure, `
			x-ratelimit-limit-tokens: -1
			x-ratelimit-remaining-tokens: -1
			x-ratelimit-reset-tokens: 0`, nil, 0},
		{"GitHub Models, captured; it speaks as Azure does", ratelimits.Azure, `
			x-ratelimit-limit-requests: 20000
			x-ratelimit-remaining-requests: 19999
			x-ratelimit-renewalperiod-requests: 60
			x-ratelimit-reset-requests: 3
			x-ratelimit-key: gpt-4o-mini
			x-ratelimit-abusepenalty-active: False`,
			[]ratelimits.Limit{limit(requests, time.Minute, 20_000, 19_999, 3*time.Second)}, 0},
		{"Mistral, captured", ratelimits.Mistral, `
			x-ratelimit-limit-req-minute: 50
			x-ratelimit-limit-tokens-minute: 50000
			x-ratelimit-remaining-tokens-minute: 47300
			x-ratelimit-remaining-req-minute: 49
			x-ratelimit-tokens-query-cost: 1300`,
			[]ratelimits.Limit{limit(requests, time.Minute, 50, 49, none), limit(tokens, time.Minute, 50_000, 47_300, none)}, 0},
		{"Mistral without a plan, captured: no request is allowed", ratelimits.Mistral, `x-ratelimit-limit-req-minute: 0`,
			[]ratelimits.Limit{limit(requests, time.Minute, 0, -1, none)}, 0},
		{"Mistral's names until 2025, captured", ratelimits.Mistral, `
			x-ratelimitbysize-limit-minute: 500000
			x-ratelimitbysize-remaining-minute: 499983
			ratelimitbysize-reset: 25`,
			[]ratelimits.Limit{limit(tokens, time.Minute, 500_000, 499_983, none)}, 0},
		{"Cerebras, the example of inference-docs.cerebras.ai/support/rate-limits", ratelimits.Cerebras, `
			x-ratelimit-limit-requests-day: 1000000000
			x-ratelimit-limit-tokens-minute: 1000000000
			x-ratelimit-remaining-requests-day: 999997455
			x-ratelimit-remaining-tokens-minute: 999998298
			x-ratelimit-reset-requests-day: 33011.382867097855
			x-ratelimit-reset-tokens-minute: 11.382867097854614`,
			[]ratelimits.Limit{limit(requests, day, 1e9, 999_997_455, 33_011_382_867_098*time.Nanosecond), limit(tokens, time.Minute, 1e9, 999_998_298, 11_382_867_098*time.Nanosecond)}, 0},
		{"Cerebras, captured of a free account: minutes, hours and days", ratelimits.Cerebras, `
			x-ratelimit-limit-requests-minute: 5
			x-ratelimit-remaining-requests-minute: 4
			x-ratelimit-limit-requests-hour: 150
			x-ratelimit-remaining-requests-hour: 140
			x-ratelimit-limit-requests-day: 2400
			x-ratelimit-remaining-requests-day: 2200
			x-ratelimit-limit-tokens-day: 1000000
			x-ratelimit-remaining-tokens-day: 900000`,
			[]ratelimits.Limit{limit(requests, time.Minute, 5, 4, none), limit(requests, time.Hour, 150, 140, none), limit(requests, day, 2400, 2200, none), limit(tokens, day, 1_000_000, 900_000, none)}, 0},
		{"SambaNova, documented: requests of no period and of a day", ratelimits.Named("sambanova"), `
			x-ratelimit-limit-requests: 30
			x-ratelimit-remaining-requests: 29
			x-ratelimit-reset-requests: 30
			x-ratelimit-limit-requests-day: 20
			x-ratelimit-remaining-requests-day: 19`,
			[]ratelimits.Limit{limit(requests, time.Minute, 30, 29, 30*time.Second), limit(requests, day, 20, 19, none)}, 0},
		{"Together, documented at docs.together.ai: of a second", ratelimits.Together, `
			x-ratelimit-limit: 10
			x-ratelimit-remaining: 9
			x-ratelimit-reset: 1
			x-tokenlimit-limit: 3000
			x-tokenlimit-remaining: 2990`,
			[]ratelimits.Limit{limit(requests, time.Second, 10, 9, time.Second), limit(tokens, time.Second, 3000, 2990, none)}, 0},
		{"OpenRouter, captured: milliseconds since 1970", ratelimits.OpenRouter, `
			X-RateLimit-Limit: 50
			X-RateLimit-Remaining: 0
			X-RateLimit-Reset: 1795996800000`,
			[]ratelimits.Limit{limit(requests, 0, 50, 0, 12*time.Hour)}, 0},
		{"xAI, captured: no reset", ratelimits.XAI, `
			x-ratelimit-limit-requests: 480
			x-ratelimit-limit-tokens: 2000000
			x-ratelimit-remaining-requests: 479
			x-ratelimit-remaining-tokens: 1999974`,
			[]ratelimits.Limit{limit(requests, 0, 480, 479, none), limit(tokens, time.Minute, 2_000_000, 1_999_974, none)}, 0},
		{"Anthropic, the names of platform.claude.com/docs/en/api/rate-limits", ratelimits.Anthropic, `
			anthropic-ratelimit-requests-limit: 50
			anthropic-ratelimit-requests-remaining: 49
			anthropic-ratelimit-requests-reset: 2026-11-29T12:00:01Z
			anthropic-ratelimit-tokens-limit: 38000
			anthropic-ratelimit-tokens-remaining: 38000
			anthropic-ratelimit-tokens-reset: 2026-11-29T12:00:00Z
			anthropic-ratelimit-input-tokens-limit: 30000
			anthropic-ratelimit-input-tokens-remaining: 15000
			anthropic-ratelimit-input-tokens-reset: 2026-11-29T07:00:30-05:00
			anthropic-ratelimit-output-tokens-limit: 8000
			anthropic-ratelimit-output-tokens-remaining: 0
			anthropic-ratelimit-output-tokens-reset: 2026-11-29T12:01:00Z
			retry-after: 10`,
			[]ratelimits.Limit{limit(requests, time.Minute, 50, 49, time.Second), rounded(0, limit(tokens, time.Minute, 38_000, 38_000, 0)),
				rounded(0, limit(input, time.Minute, 30_000, 15_000, 30*time.Second)), rounded(0, limit(output, time.Minute, 8000, 0, time.Minute))}, 10 * time.Second},
		{"Anthropic's Priority Tier, the example of platform.claude.com/docs/en/api/service-tiers, moved to now", ratelimits.Anthropic, `
			anthropic-priority-input-tokens-limit: 10000
			anthropic-priority-input-tokens-remaining: 9618
			anthropic-priority-input-tokens-reset: 2026-11-29T12:00:02Z
			anthropic-priority-output-tokens-limit: 10000
			anthropic-priority-output-tokens-remaining: 6000
			anthropic-priority-output-tokens-reset: 2026-11-29T12:00:24Z
			anthropic-fast-input-tokens-limit: 7
			anthropic-ratelimit-unified-5h-reset: 1795996800`,
			[]ratelimits.Limit{rounded(ratelimits.Priority, limit(input, time.Minute, 10_000, 9618, 2*time.Second)),
				rounded(ratelimits.Priority, limit(output, time.Minute, 10_000, 6000, 24*time.Second)), rounded(ratelimits.Fast, limit(input, time.Minute, 7, -1, none))}, 0},
		{"Fireworks, documented: prompts and what is generated", ratelimits.Dialect{}, `
			x-ratelimit-limit-tokens-prompt: 60000
			x-ratelimit-remaining-tokens-generated: 500`,
			[]ratelimits.Limit{limit(input, 0, 60_000, -1, none), limit(output, 0, -1, 500, none)}, 0},
		{"DigitalOcean, documented at docs.digitalocean.com/products/inference: instants in seconds since 1970, at which there is room for as much again", ratelimits.Dialect{}, `
			x-ratelimit-limit-requests: 120
			x-ratelimit-remaining-requests: 119
			x-ratelimit-limit-tokens-per-minute: 750000
			x-ratelimit-remaining-tokens-per-minute: 749000
			x-ratelimit-reset-tokens-per-minute: 1795953605
			x-ratelimit-limit-tokens-per-day: 8000000
			x-ratelimit-remaining-tokens-per-day: 7999000
			x-ratelimit-limit-requests-per-minute: 60`,
			[]ratelimits.Limit{limit(requests, 0, 120, 119, none), limit(requests, time.Minute, 60, -1, none), limit(tokens, time.Minute, 750_000, 749_000, 5*time.Second),
				limit(tokens, day, 8_000_000, 7_999_000, none)}, 0},
		{"the IETF's draft, as developer.whoop.com has it", ratelimits.Dialect{}, `
			X-RateLimit-Limit: 100, 100;window=60, 10000;window=86400
			X-RateLimit-Remaining: 98
			X-RateLimit-Reset: 3`,
			[]ratelimits.Limit{limit(requests, 0, 100, 98, 3*time.Second)}, 0},
		{"an instant as HTTP has it, and milliseconds that are finer", ratelimits.Dialect{}, `
			retry-after: Sun, 29 Nov 2026 12:00:20 GMT
			retry-after-ms: 19400`, nil, 19_400 * time.Millisecond},
		{"two that disagree: the later counts", ratelimits.Dialect{}, "retry-after: 5\nretry-after-ms: 19400", nil, 19_400 * time.Millisecond},
		{"nonsense", ratelimits.OpenAI, `
			x-ratelimit-limit-requests: many
			x-ratelimit-remaining-requests: 1e9
			x-ratelimit-limit-tokens: 99999999999999999999
			x-ratelimit-reset-tokens: 5 apples
			x-ratelimit-limit-images: 5
			anthropic-ratelimit-reset: 5
			anthropic-ratelimit: 5
			x-ratelimit-: 5
			retry-after: soon
			retry-after-ms: -5`, nil, 0},
		{"an age away", ratelimits.Dialect{}, "retry-after: 99999999\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 2036-01-01T00:00:00Z",
			[]ratelimits.Limit{limit(requests, 0, -1, 0, none)}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			told := ratelimits.Read(header(c.header), now, c.dialect)
			require.Len(t, told.Limits, len(c.want))
			for i, want := range c.want {
				got := told.Limits[i]
				assert.WithinDuration(t, want.Reset, got.Reset, time.Microsecond)
				got.Reset, want.Bucket = want.Reset, c.dialect.Refills || c.dialect.Buckets
				want.AsUsed = c.dialect.AsUsed && want.Dimension != requests
				assert.Equal(t, want, got)
			}
			assert.Equal(t, c.retry, told.RetryAfter)
			assert.True(t, ratelimits.Says(header(c.header)) || len(c.want) == 0)
		})
	}
}

// A reset may be that of a limit which is filled evenly, if it was told between the instant at which the request
// was sent and the one at which its answer came.
func TestEvenly(t *testing.T) {
	used := limit(requests, time.Minute, 60, 30, 30*time.Second)
	assert.True(t, used.Evenly(now, now))
	assert.True(t, used.Evenly(now.Add(-10*time.Second), now))
	late := limit(requests, time.Minute, 60, 30, 15*time.Second) // it was told 15 s before its answer came
	assert.True(t, late.Evenly(now.Add(-15*time.Second), now))
	assert.False(t, late.Evenly(now, now))
	window := limit(requests, time.Minute, 60, 30, time.Minute) // it is whole when the last request has left
	assert.False(t, window.Evenly(now, now))
	window.Reset = time.Time{}
	assert.False(t, window.Evenly(now, now), "it isn't said")
	coarse := rounded(ratelimits.Standard, limit(ratelimits.InputTokens, time.Minute, 12_000, 11_000, 8*time.Second))
	assert.True(t, coarse.Evenly(now, now), "the nearest thousand is five seconds")
}

// What most answers have in their headers is of no limit.
func TestSays(t *testing.T) {
	assert.False(t, ratelimits.Says(header("content-type: application/json\nx-content-type-options: nosniff\nretry-after: 5\nserver: x")))
	assert.True(t, ratelimits.Says(header("X-RateLimit-Remaining-Requests-Minute: 5")))
	assert.False(t, ratelimits.Says(nil))
}

// TestBeside: what headers say that is of no limit.
func TestBeside(t *testing.T) {
	told := ratelimits.Read(header("x-ratelimit-type: Requests\nx-ratelimit-tokens-query-cost: 1300\nx-should-retry: false"), now, ratelimits.Azure)
	assert.Equal(t, ratelimits.Told{Refused: ratelimits.Requests, Cost: 1300, NoRetry: true}, told)
	assert.EqualValues(t, -1, ratelimits.Read(nil, now, ratelimits.OpenAI).Cost)
	assert.Equal(t, ratelimits.Limit{Dimension: requests, Limit: 5, Remaining: -1},
		ratelimits.Read(http.Header{"x-ratelimit-limit": {"5"}}, now, ratelimits.Dialect{}).Limits[0], "as HTTP/2 spells names")
}

// What is used up is there again when it says so, unless it is filled before; and nothing is allowed where the
// limit is none.
func TestUntil(t *testing.T) {
	for text, want := range map[string]struct {
		wait time.Duration
		none bool
	}{
		"X-RateLimit-Limit: 50\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1795996800000":                                                  {12 * time.Hour, false},
		"x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 7\nx-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 1m30s": {90 * time.Second, false},
		"x-ratelimit-remaining-requests: 1\nx-ratelimit-reset-requests: 7":                                                                   {0, false},
		"x-ratelimit-remaining-requests: 0":                                       {0, false},
		"x-ratelimit-limit-req-minute: 0":                                         {0, true},
		"anthropic-priority-input-tokens-limit: 0\nx-ratelimit-limit-tokens: 5":   {0, false},
		"x-ratelimit-remaining: 0\nx-ratelimit-reset: 2026-11-29T11:59:30Z":       {0, false},
		"x-ratelimit-limit-requests: -1\nx-ratelimit-remaining-requests: -1":      {0, false},
		"x-ratelimit-limit-tokens: 9223372036854775807\nx-ratelimit-remaining: 0": {0, false},
	} {
		all := ratelimits.Read(header(text), now, ratelimits.OpenRouter).Limits
		assert.Equal(t, want.wait, ratelimits.Until(all, now), text)
		assert.Equal(t, want.none, ratelimits.None(all), text)
	}
	for _, d := range []ratelimits.Dialect{ratelimits.OpenAI, ratelimits.Groq, ratelimits.Anthropic} {
		all := ratelimits.Read(header("x-ratelimit-limit-requests: 60\nx-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 60s"), now, d).Limits
		assert.Zero(t, ratelimits.Until(all, now), "there is room long before it is whole again")
	}
}

func TestUsed(t *testing.T) {
	for want, l := range map[int64]ratelimits.Limit{
		0: {Limit: -1, Remaining: 5}, 30: {Limit: 100, Remaining: 70}, 4500: {Limit: 10_000, Remaining: 5000, Rounded: 1000},
	} {
		assert.Equal(t, want, l.Used())
	}
}

func TestNamed(t *testing.T) {
	assert.Equal(t, ratelimits.Groq, ratelimits.Named("groq"))
	assert.Zero(t, ratelimits.Named("home"))
}

// TestReadMessage: refusals as they were captured.
func TestReadMessage(t *testing.T) {
	for _, c := range []struct {
		text             string
		dimension        ratelimits.Dimension
		per              time.Duration
		limit, remaining int64
		requested        int64
		wait             time.Duration
		large            bool
	}{
		{"Rate limit reached for gpt-5.1 in organization org-AAA on tokens per min (TPM): Limit 30000, Used 22999, Requested 12528. Please try again in 11.054s. Visit https://platform.openai.com/account/rate-limits to learn more.",
			tokens, time.Minute, 30_000, 7001, 12_528, 11_054 * time.Millisecond, false},
		{"Rate limit reached for gpt-4o-mini in organization org-k on requests per day (RPD): Limit 200, Used 200, Requested 1. Please try again in 7m12s.",
			requests, day, 200, 0, 1, 432 * time.Second, false},
		{"Request too large for gpt-4o in organization org-XYZ on tokens per min (TPM): Limit 30000, Requested 1000011. The input or output tokens must be reduced in order to run successfully.",
			tokens, time.Minute, 30_000, -1, 1_000_011, 0, true},
		{"Rate limit reached for default-gpt-3.5-turbo in organization org-8 on requests per min. Limit: 3 / min. Please try again in 20s.", requests, time.Minute, 3, -1, -1, 20 * time.Second, false},
		{"Rate limit reached for model `m` in organization `org` service tier `on_demand` on tokens per day (TPD): Limit 100000, Used 99866, Requested 1434. Please try again in 18m43.2s.",
			tokens, day, 100_000, 134, 1434, 18*time.Minute + 43_200*time.Millisecond, false},
		{"Request too large for model `m` in organization `org` service tier `on_demand` on output tokens per minute (OTPM): Limit 1000, Requested 1434, please reduce max_tokens", output, time.Minute, 1000, -1, 1434, 0, true},
		{"Rate limit reached for model `qwen/qwen3.8-27b` in organization `org` service tier `on_demand` on output tokens per minute (OTPM): Limit 1000, Used 528, Requested 600. Please try again in 7.68s. Need more tokens? Upgrade to Dev Tier today.",
			output, time.Minute, 1000, 472, 600, 7680 * time.Millisecond, false},
		{"Rate limit reached for model `qwen/qwen3.8-27b` in organization `org` service tier `on_demand` on input tokens per minute (ITPM): Limit 7000, Used 6635, Requested 538. Please try again in 1.482857142s.",
			input, time.Minute, 7000, 365, 538, 1_482_857_142, false},
		{"This request would exceed your organization's rate limit of 30,000 input tokens per minute (org: 9a35, model: claude-sonnet-4-6). For details, refer to: https://docs.claude.com/en/api/rate-limits.",
			input, time.Minute, 30_000, -1, -1, 0, false},
		{"This request would exceed your organization's rate limit of 50 requests per minute (org: 9a35, model: m).", requests, time.Minute, 50, -1, -1, 0, false},
		{"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-02-01 have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 26 seconds.", ratelimits.Unknown, 0, -1, -1, -1, 26 * time.Second, false},
		{"Requests per minute limit exceeded - too many requests sent.", requests, time.Minute, -1, -1, -1, 0, false},
		{"Rate limit exceeded: limit_rpm/nvidia/nemotron-nano-9b-v2/71549a70. High demand for nvidia/nemotron-nano-9b-v2:free on OpenRouter - limited to 50 requests per minute.", requests, time.Minute, 50, -1, -1, 0, false},
		{"You are using a Trial key, which is limited to 20 API calls / minute. You can continue to use the Trial key for free.", requests, time.Minute, 20, -1, -1, 0, false},
		{"Your plan is limited to many requests per minute", ratelimits.Unknown, 0, -1, -1, -1, 0, false},
		{"Rate limit reached. Please try again in 28ms.", ratelimits.Unknown, 0, -1, -1, -1, 28 * time.Millisecond, false},
		{"Rate limit exceeded", ratelimits.Unknown, 0, -1, -1, -1, 0, false},
		{"", ratelimits.Unknown, 0, -1, -1, -1, 0, false},
	} {
		s := ratelimits.ReadMessage(c.text)
		want := ratelimits.Statement{Limit: ratelimits.Limit{Dimension: c.dimension, Per: c.per, Limit: c.limit, Remaining: c.remaining}, Requested: c.requested, Wait: c.wait, TooLarge: c.large}
		assert.Equal(t, want, s, c.text)
	}
}

// BenchmarkRead has an answer without limits, such as Gemini's, and one of OpenAI's.
func BenchmarkRead(b *testing.B) {
	gemini := "Content-Type: application/json\nVary: Origin\nDate: Sun, 29 Nov 2026 12:00:00 GMT\nServer: scaffolding on HTTPServer2\nX-Xss-Protection: 0\n" +
		"X-Frame-Options: SAMEORIGIN\nX-Content-Type-Options: nosniff\nServer-Timing: gfet4t7; dur=301\nAlt-Svc: h3\nX-Gemini-Service-Tier: standard"
	openAI := gemini + "\nX-Ratelimit-Limit-Requests: 60\nX-Ratelimit-Limit-Tokens: 150000\nX-Ratelimit-Remaining-Requests: 59\nX-Ratelimit-Remaining-Tokens: 149984\n" +
		"X-Ratelimit-Reset-Requests: 1s\nX-Ratelimit-Reset-Tokens: 6m0s"
	for name, text := range map[string]string{"without": gemini, "with": openAI} {
		h := header(text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ratelimits.Read(h, now, ratelimits.OpenAI)
			}
		})
	}
}

// FuzzRead: whatever stands in headers, nothing that is read is absurd.
func FuzzRead(f *testing.F) {
	f.Add("x-ratelimit-reset-requests", "6m0s", "retry-after", "1.5")
	f.Add("anthropic-ratelimit-input-tokens-reset", "2026-11-29T12:00:30Z", "x-ratelimit-limit-tokens-day", "100, 100;window=60")
	f.Add("x-ratelimit-reset", "1795996800000", "retry-after-ms", "999999999999999999999")
	f.Add("x-ratelimit-renewalperiod-tokens", "99999999999", "x-ratelimit-remaining-tokens", "9223372036854775807")
	f.Add("x-ratelimit-limit--", "1", "x-ratelimit-limit-project-", "-0")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		h := http.Header{name1: {value1}, name2: {value2}, "X-Ratelimit-Limit-Requests": {"60"}, "X-Ratelimit-Remaining-Requests": {value1}, "X-Ratelimit-Reset-Requests": {value2}}
		for _, d := range []ratelimits.Dialect{{}, ratelimits.OpenAI, ratelimits.Groq, ratelimits.Anthropic, ratelimits.Together} {
			told := ratelimits.Read(h, now, d)
			assert.True(t, told.RetryAfter >= 0 && told.RetryAfter <= 32*day)
			assert.GreaterOrEqual(t, told.Cost, int64(-1))
			for _, l := range told.Limits {
				assert.NotEqual(t, ratelimits.Unknown, l.Dimension)
				assert.True(t, l.Limit >= 0 || l.Remaining >= 0)
				assert.True(t, l.Limit <= 1e12 && l.Remaining <= 1e12)
				assert.True(t, l.Limit >= -1 && l.Remaining >= -1 && l.Per >= 0 && l.Per <= 32*day && l.Used() >= 0)
				if !l.Reset.IsZero() {
					assert.True(t, l.Reset.Sub(now).Abs() <= 32*day)
				}
			}
		}
	})
}

// FuzzReadMessage: whatever is said, nothing that is read is absurd.
func FuzzReadMessage(f *testing.F) {
	f.Add("on tokens per min (TPM): Limit 30000, Used 22999, Requested 12528. Please try again in 11.054s.")
	f.Add("rate limit of 30,000 input tokens per minute. Please retry after 99999999999999 days")
	f.Fuzz(func(t *testing.T, text string) {
		s := ratelimits.ReadMessage(text)
		assert.True(t, s.Wait >= 0 && s.Wait <= 32*day)
		assert.True(t, s.Limit.Limit >= -1 && s.Limit.Remaining >= -1 && s.Requested >= -1)
	})
}

// What a request in fast mode counts on is told in headers of its own, and of how many requests are allowed there, which
// isn't, no more is taken than else. An answer without such headers says nothing of it.
func TestInFast(t *testing.T) {
	fast := ratelimits.Limit{Tier: ratelimits.Fast, Dimension: ratelimits.InputTokens, Per: time.Minute, Limit: 300, Remaining: 100}
	requests := ratelimits.Limit{Dimension: ratelimits.Requests, Per: time.Minute, Limit: 50, Remaining: 3, Reset: time.Unix(9, 0)}
	tokens := ratelimits.Limit{Dimension: ratelimits.InputTokens, Per: time.Minute, Limit: 9000, Remaining: 1}
	own, ofFast := fast, requests
	own.Tier, ofFast.Tier, ofFast.Limit = ratelimits.Standard, ratelimits.Fast, 7
	bound := ratelimits.Limit{Dimension: ratelimits.Requests, Per: time.Minute, Limit: 50, Remaining: -1}
	assert.Equal(t, []ratelimits.Limit{bound, own}, ratelimits.InFast([]ratelimits.Limit{requests, tokens, fast}))
	ofStandard := ofFast
	ofStandard.Tier = ratelimits.Standard
	assert.Equal(t, []ratelimits.Limit{own, ofStandard}, ratelimits.InFast([]ratelimits.Limit{requests, fast, ofFast}))
	assert.Empty(t, ratelimits.InFast([]ratelimits.Limit{requests, tokens}))
}
