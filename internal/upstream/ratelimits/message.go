package ratelimits

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Statement is what the words of a refusal say.
type Statement struct {
	Limit     Limit         // Dimension Unknown: no limit is named
	Requested int64         // of its dimension; -1: not said
	Wait      time.Duration // until to come back; 0: not said
	// TooLarge says that the request is larger than the limit, so that no waiting helps.
	TooLarge bool
}

// Words of refusals, as captured; the tests have whole ones.
var (
	// "on tokens per min (TPM): Limit 30000, Used 22999, Requested 12528" of OpenAI and Groq; of earlier ones "on requests
	// per min. Limit: 3 / min".
	limitOf = regexp.MustCompile(`(?i)\bon ((?:input |output )?(?:requests|tokens)) per (sec|second|min|minute|hour|day)\w*\b(?: \([A-Z]{2,5}\))?[:.] *Limit:? ([\d,]+)`)
	usedOf  = regexp.MustCompile(`(?i)\bUsed:? ([\d,]+)`)
	askedOf = regexp.MustCompile(`(?i)\bRequested:? ([\d,]+)`)
	// "rate limit of 30,000 input tokens per minute" of Anthropic.
	rateOf = regexp.MustCompile(`(?i)\brate limit of ([\d,]+) ((?:input |output )?(?:requests|tokens)) per (minute|hour|day)\b`)
	// "limited to 50 requests per minute" of OpenRouter, "limited to 20 API calls / minute" of Cohere.
	limitedTo = regexp.MustCompile(`(?i)\blimited to ([\d,]+) (requests|API calls) ?(?:per|/) ?(second|minute|hour|day)\b`)
	// "Requests per minute limit exceeded" of Cerebras.
	exceeded = regexp.MustCompile(`(?i)^(requests|tokens) per (second|minute|hour|day) limit exceeded`)
	// "Please try again in 1m26.4s", "Please retry after 26 seconds".
	tryAgain = regexp.MustCompile(`(?i)(?:try again in|retry after|retry in) ((?:[\d.]+ ?(?:milliseconds|ms|seconds|second|s|minutes|minute|m|hours|hour|h|days|day|d)\b ?)|(?:[\d.]+(?:ms|d|h|m|s))+)`)
)

// maxMessage bounds how much of a message is read, in bytes.
const maxMessage = 4096

// ReadMessage reads the words of a refusal, in any of the forms that were captured.
func ReadMessage(message string) Statement {
	message = message[:min(len(message), maxMessage)]
	s := Statement{Limit: Limit{Limit: -1, Remaining: -1}, Requested: -1}
	if m := limitOf.FindStringSubmatch(message); m != nil {
		s.name(m[1], m[2], m[3])
		if used := usedOf.FindStringSubmatch(message); used != nil && s.Limit.Limit >= 0 {
			if n, ok := parseThousands(used[1]); ok {
				s.Limit.Remaining = max(0, s.Limit.Limit-n)
			}
		}
		if asked := askedOf.FindStringSubmatch(message); asked != nil {
			if n, ok := parseThousands(asked[1]); ok {
				s.Requested = n
				s.TooLarge = s.Limit.Limit >= 0 && n > s.Limit.Limit
			}
		}
	} else if m := rateOf.FindStringSubmatch(message); m != nil {
		s.name(m[2], m[3], m[1])
	} else if m := limitedTo.FindStringSubmatch(message); m != nil {
		s.name("requests", m[3], m[1])
	} else if m := exceeded.FindStringSubmatch(message); m != nil {
		s.name(m[1], m[2], "")
	}
	if m := tryAgain.FindStringSubmatch(message); m != nil {
		s.Wait = spelt(m[1])
	}
	return s
}

func (s *Statement) name(dimension, period, limit string) {
	s.Limit.Dimension = words[strings.ReplaceAll(strings.ToLower(dimension), " ", "-")]
	s.Limit.Per = periods[strings.ToLower(period)]
	if n, ok := parseThousands(limit); ok {
		s.Limit.Limit = n
	}
}

// parseThousands reads a number that may be written as 30,000.
func parseThousands(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.ReplaceAll(s, ",", ""), 10, 64)
	return n, err == nil && n <= most
}

// spelt reads a duration with one unit in words, or as headers have it.
func spelt(s string) time.Duration {
	s = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), " ", "")
	end := strings.IndexFunc(s, func(r rune) bool { return r >= 'a' && r <= 'z' })
	if end > 0 {
		if unit, ok := map[string]string{"milliseconds": "ms", "second": "s", "seconds": "s", "minute": "m", "minutes": "m", "hour": "h", "hours": "h", "day": "d", "days": "d"}[s[end:]]; ok {
			s = s[:end] + unit
		}
	}
	d, _ := parseDuration(s)
	return d
}
