package ratelimits

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Limit is what an answer says of one limit.
type Limit struct {
	Dimension Dimension
	Tier      Tier
	Per       time.Duration // the period; 0: not known
	Inferred  bool          // Per was told from how long the limit takes to be whole again
	Refills   bool          // of an hour or more: it is filled evenly, as its reset says, or else as its provider's are
	Bucket    bool          // its provider is known to fill its limits evenly
	AsUsed    bool          // its tokens count as they are used
	Named     bool          // a refusal names it in words, and no header tells of it
	Limit     int64         // per Per; -1: not said
	Remaining int64         // -1: not said
	Rounded   int64         // what Remaining is rounded to, to the nearest; 0 or 1: it is exact
	// Reset is when the limit is whole again; of a provider that counts in fixed windows, when the
	// next begins. Zero: not said.
	Reset time.Time
}

// Used returns how much is used at least, by whomever; 0 if that isn't said.
func (l Limit) Used() int64 {
	if l.Limit < 0 || l.Remaining < 0 {
		return 0
	}
	return max(0, l.Limit-l.Remaining-l.Rounded/2)
}

// Evenly reports whether its reset may be that of a limit which is filled evenly, and was told at
// an instant between two.
func (l Limit) Evenly(from, to time.Time) bool {
	if l.Limit <= 0 || l.Reset.IsZero() {
		return false
	}
	slack := time.Second + time.Duration(float64(l.Rounded)/float64(l.Limit)*float64(l.Per))
	whole := l.Reset.Sub(to)
	return filledEvenly(l.Limit, l.Limit-l.Remaining, l.Per, whole, slack+to.Sub(from))
}

// Told is what an answer says of limits.
type Told struct {
	Limits []Limit // ordered by tier, dimension and period
	// RetryAfter is how long to wait before coming back; 0: not said, or not at all.
	RetryAfter time.Duration
	// NoRetry says that the provider has said outright that coming back is of no use, by
	// x-should-retry.
	NoRetry bool
	// Refused is which dimension a refusal is for, where a header says that; else Unknown.
	Refused Dimension
	// Cost is how many tokens the request was counted as, where a header says that (Mistral); else -1.
	Cost int64
}

// Until returns how long it takes until there is room again in what an answer says is used up, where that is
// said and isn't filled before; 0: it isn't said.
func Until(all []Limit, now time.Time) (wait time.Duration) {
	for _, l := range all {
		if l.Tier == Standard && l.Remaining == 0 && !l.Bucket && !l.Refills && !l.Reset.IsZero() {
			wait = max(wait, l.Reset.Sub(now))
		}
	}
	return wait
}

// None reports whether an answer says that nothing is allowed.
func None(all []Limit) bool {
	return slices.ContainsFunc(all, func(l Limit) bool { return l.Tier == Standard && l.Limit == 0 })
}

// InFast returns what of an answer to a request in fast mode is said of the limits that it counts on. How many requests
// are allowed there is mostly not said; that they are no more than else is a guess.
func InFast(all []Limit) (own []Limit) {
	said := slices.ContainsFunc(all, func(l Limit) bool { return l.Tier == Fast && l.Dimension == Requests })
	told := slices.ContainsFunc(all, func(l Limit) bool { return l.Tier == Fast })
	for _, l := range all {
		switch {
		case l.Tier == Fast:
			l.Tier = Standard
			own = append(own, l)
		case l.Tier == Standard && l.Dimension == Requests && told && !said:
			l.Remaining, l.Reset = -1, time.Time{}
			own = append(own, l)
		}
	}
	return own
}

// Read reads the headers of an answer that came at an instant. Names may be in any letters.
func Read(h http.Header, now time.Time, d Dialect) Told {
	told := Told{Cost: -1}
	type found struct {
		Limit
		said bool
	}
	var all map[id]*found
	for name, values := range h {
		if len(values) == 0 || len(name) > maxName || len(values[0]) > maxValue || !ofLimits(name) {
			continue
		}
		name, value := strings.ToLower(name), values[0]
		switch name {
		case "x-should-retry":
			told.NoRetry = value == "false"
			continue
		case "x-ratelimit-type":
			told.Refused = words[strings.ToLower(value)]
			continue
		case "x-ratelimit-tokens-query-cost", "x-ratelimitbysize-query-cost":
			if n, ok := parseCount(value); ok {
				told.Cost = n
			}
			continue
		}
		of, p, ok := parseName(name)
		if !ok {
			continue
		}
		f := all[of]
		if f == nil {
			if all == nil {
				all = make(map[id]*found)
			}
			f = &found{Limit: Limit{Dimension: of.dimension, Tier: of.tier, Per: of.per, Limit: -1, Remaining: -1}}
			all[of] = f
		}
		f.read(p, value, now, &f.said)
	}
	for of, f := range all {
		if !f.said {
			delete(all, of)
			continue
		}
		f.complete(d, now)
	}
	for _, f := range slices.SortedFunc(maps.Values(all), func(a, b *found) int {
		return cmp.Or(cmp.Compare(a.Tier, b.Tier), cmp.Compare(a.Dimension, b.Dimension), cmp.Compare(a.Per, b.Per))
	}) {
		told.Limits = append(told.Limits, f.Limit)
	}
	told.RetryAfter = RetryAfter(h, now)
	return told
}

// Says reports whether an answer may say anything of limits in its headers, beside when to come back.
func Says(h http.Header) bool {
	for name := range h {
		if ofLimits(name) {
			return true
		}
	}
	return false
}

// ofLimits reports whether the name of a header may be of limits, at next to no cost: most aren't,
// and every answer's are looked at.
func ofLimits(name string) bool {
	for _, prefix := range [...]string{"x-ratelimit", "x-tokenlimit-", "x-should-retry", "anthropic-", "ratelimit"} {
		if len(name) >= len(prefix) && name[0]|0x20 == prefix[0] && strings.EqualFold(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

// maxName and maxValue bound what is looked at, in bytes.
const (
	maxName  = 64
	maxValue = 128
)

// read notes what one header says of the limit.
func (l *Limit) read(p part, value string, now time.Time, said *bool) {
	switch p {
	case limitPart:
		if n, ok := parseCount(value); ok {
			l.Limit, *said = n, true
		}
	case remainingPart:
		if n, ok := parseCount(value); ok {
			l.Remaining, *said = n, true
		}
	case resetPart:
		l.Reset, _ = parseReset(value, now)
	case periodPart:
		if n, ok := parseCount(value); ok && n > 0 && n <= int64(longest/time.Second) {
			l.Per = time.Duration(n) * time.Second
		}
	}
}

// complete adds what the dialect says of the limit.
func (l *Limit) complete(d Dialect, now time.Time) {
	if l.Dimension != Requests {
		l.Rounded, l.AsUsed = d.Rounded, d.AsUsed
	}
	unnamed := l.Per == 0
	if unnamed {
		l.Per = d.period(l.Dimension)
	}
	if unnamed && d.Refills && l.Dimension == Requests && !l.Reset.IsZero() && l.Remaining >= 0 {
		// What the reset says is believed before what the provider's documents say.
		used, whole := l.Limit-l.Remaining, l.Reset.Sub(now)
		if per := infer(l.Limit, used, whole); per > 0 && per != l.Per {
			l.Per, l.Inferred = per, true
		}
	}
	l.Bucket = d.Refills || d.Buckets
	if l.Per < time.Hour {
		return
	}
	if l.Refills = d.Refills; l.Limit > 0 && l.Remaining >= 0 && l.Remaining < l.Limit && !l.Reset.IsZero() {
		l.Refills = filledEvenly(l.Limit, l.Limit-l.Remaining, l.Per, l.Reset.Sub(now), time.Second)
	}
}

func (d Dialect) period(of Dimension) time.Duration {
	if of == Requests {
		return d.Requests
	}
	return d.Tokens
}

// RetryAfter reads retry-after and retry-after-ms of an answer that came at an instant; 0: it names
// no delay. The finer one counts if it is within the second that the other names; else the later
// one, which is the safe reading of two that disagree.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	first := func(name string) string {
		for key, values := range h {
			if len(key) == len(name) && strings.EqualFold(key, name) && len(values) > 0 && len(values[0]) <= maxValue {
				return strings.TrimSpace(values[0])
			}
		}
		return ""
	}
	var coarse, fine time.Duration
	if text := first("retry-after"); text != "" {
		if at, ok := parseReset(text, now); ok {
			coarse = max(0, at.Sub(now))
		}
	}
	if n, ok := parseNumber(first("retry-after-ms")); ok {
		fine, _ = toDuration(n, time.Millisecond)
	}
	if fine > 0 && fine <= coarse && coarse-fine < time.Second {
		return fine
	}
	return max(coarse, fine)
}
