package ratelimits

import "time"

// A Dialect says what the names of a provider's headers leave open. The zero value is for a
// provider of which nothing is known.
type Dialect struct {
	// Requests and Tokens are the periods of limits whose names have none. 0: not known.
	Requests, Tokens time.Duration
	// Refills says that a limit is filled evenly and that its reset is when it is whole again.
	// Then the period of requests is inferred where it isn't known.
	Refills bool
	// Buckets says that limits are filled evenly, and no more.
	Buckets bool
	// AsUsed says that tokens count as they are used, so that of what is reserved for a request some is given back.
	AsUsed bool
	// Rounded is what remaining tokens are rounded to.
	Rounded int64
}

// The dialects of providers.
var (
	// OpenAI tells the tokens of a minute, and the requests of a minute or a day.
	OpenAI = Dialect{Tokens: time.Minute, Refills: true}
	// Groq tells the requests of a day and the tokens of a minute (documented). That these count as they are used
	// is a guess, as in package endpoint.
	Groq = Dialect{Requests: day, Tokens: time.Minute, Refills: true, AsUsed: true}
	// Azure tells its periods in headers of their own; where it doesn't, tokens are a minute's.
	Azure = Dialect{Tokens: time.Minute}
	// Mistral and Cerebras have the period in the name.
	Mistral, Cerebras Dialect
	// Together tells requests and tokens of a second (documented).
	Together = Dialect{Requests: time.Second, Tokens: time.Second}
	// OpenRouter tells requests of a minute or a day; which one isn't said.
	OpenRouter Dialect
	// XAI tells tokens of a minute. Whether its requests are a minute's isn't established.
	XAI = Dialect{Tokens: time.Minute}
	// SambaNova tells requests of a minute, and of a day by name ("The default rate limit header is in RPM",
	// https://docs.sambanova.ai/cloud/docs/get-started/rate-limits).
	SambaNova = Dialect{Requests: time.Minute}
	// Anthropic tells limits of a minute, which are filled evenly (documented), rounded to thousands.
	Anthropic = Dialect{Requests: time.Minute, Tokens: time.Minute, Buckets: true, Rounded: 1000}
)

var dialects = map[string]Dialect{
	"openai": OpenAI, "groq": Groq, "azure": Azure, "mistral": Mistral, "cerebras": Cerebras, "together": Together,
	"openrouter": OpenRouter, "xai": XAI, "sambanova": SambaNova, "anthropic": Anthropic,
}

// Named returns the dialect of a provider by its name in small letters, and the zero Dialect for
// one that isn't known.
func Named(provider string) Dialect { return dialects[provider] }

const day = 24 * time.Hour

// periods are those that limits are known to have. A month is 30 days here, which no limit is held to.
var periods = map[string]time.Duration{
	"second": time.Second, "sec": time.Second, "minute": time.Minute, "min": time.Minute, "hour": time.Hour, "day": day, "month": 30 * day,
}

// infer returns the period of a limit of requests that is filled evenly, of which so many are used and which is
// whole again after so long; 0 where more than one of those known would do, or none. What an answer says is of the instant at
// which its own request was counted, so one is missing at least; and used is a whole number, of which a part may be back.
func infer(limit, used int64, whole time.Duration) (period time.Duration) {
	if limit <= 0 || used <= 0 || used > limit {
		return 0
	}
	const slack = time.Millisecond // resets are told in milliseconds
	for _, per := range []time.Duration{time.Second, 10 * time.Second, time.Minute, time.Hour, day} {
		if !filledEvenly(limit, used, per, whole, slack) {
			continue
		}
		if period != 0 {
			return 0
		}
		period = per
	}
	return period
}

// filledEvenly reports whether a limit of which so many are used may be whole again after so long
// because it is filled evenly.
func filledEvenly(limit, used int64, per, whole, slack time.Duration) bool {
	one := float64(per) / float64(limit)
	least, most := time.Duration(one*float64(max(1, used-1))), time.Duration(one*float64(used))
	return least-slack <= whole && whole <= most+slack
}
