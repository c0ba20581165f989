package ratelimits

import (
	"strings"
	"time"
)

// A Dimension is what a limit counts.
type Dimension int

// The dimensions that limits are told of.
const (
	Unknown Dimension = iota
	Requests
	Tokens // input and output, as the provider counts them
	InputTokens
	OutputTokens
)

var dimensionNames = [...]string{"unknown", "requests", "tokens", "input tokens", "output tokens"}

// String returns a name for logs.
func (d Dimension) String() string {
	if d < 0 || int(d) >= len(dimensionNames) {
		return dimensionNames[Unknown]
	}
	return dimensionNames[d]
}

// A Tier is which of a project's limits it is.
type Tier int

// The tiers.
const (
	Standard Tier = iota
	Priority      // Anthropic's commitments, beside its standard limits
	Fast          // Anthropic's fast mode
	Share         // a part of the project's limits that the provider's own settings give to this key's project (OpenAI)
)

// part is which of a limit's values a header has.
type part int

const (
	limitPart part = iota
	remainingPart
	resetPart
	periodPart // Azure's renewal period
)

var parts = map[string]part{"limit": limitPart, "remaining": remainingPart, "reset": resetPart, "renewalperiod": periodPart}

// id is which limit a header is of.
type id struct {
	dimension Dimension
	per       time.Duration // 0: the name doesn't say
	tier      Tier
}

// words are how dimensions are named.
var words = map[string]Dimension{
	"requests": Requests, "req": Requests, "request": Requests, "tokens": Tokens, "input-tokens": InputTokens, "output-tokens": OutputTokens,
	"tokens-prompt": InputTokens, "tokens-generated": OutputTokens, // Fireworks
}

// parseName reads the name of a header in small letters.
func parseName(name string) (of id, p part, ok bool) {
	switch {
	case strings.HasPrefix(name, "anthropic-"):
		return parseAnthropic(strings.TrimPrefix(name, "anthropic-"))
	case strings.HasPrefix(name, "x-ratelimit-"):
		return parseSuffixed(strings.TrimPrefix(name, "x-ratelimit-"), Requests)
	case strings.HasPrefix(name, "ratelimit-"): // the IETF's draft, older forms
		return parseSuffixed(strings.TrimPrefix(name, "ratelimit-"), Requests)
	case strings.HasPrefix(name, "x-tokenlimit-"): // Together
		return parseSuffixed(strings.TrimPrefix(name, "x-tokenlimit-"), Tokens)
	case strings.HasPrefix(name, "x-ratelimitbysize-"), strings.HasPrefix(name, "ratelimitbysize-"): // Mistral, formerly
		_, rest, _ := strings.Cut(name, "bysize-")
		return parseSuffixed(rest, Tokens)
	}
	return of, 0, false
}

// parseAnthropic reads ratelimit-input-tokens-remaining and the like.
func parseAnthropic(name string) (of id, p part, ok bool) {
	tier, rest, _ := strings.Cut(name, "-")
	switch tier {
	case "ratelimit":
	case "priority":
		of.tier = Priority
	case "fast":
		of.tier = Fast
	default:
		return of, 0, false
	}
	at := strings.LastIndexByte(rest, '-')
	if at < 0 {
		return of, 0, false
	}
	p, ok = parts[rest[at+1:]]
	of.dimension = words[rest[:at]]
	return of, p, ok && of.dimension != Unknown
}

// parseSuffixed reads limit, remaining-requests, reset-tokens-minute, limit-project-tokens and the
// like. A name of no dimension is of the one given.
func parseSuffixed(name string, bare Dimension) (of id, p part, ok bool) {
	first, rest, _ := strings.Cut(name, "-")
	if p, ok = parts[first]; !ok {
		return of, 0, false
	}
	if after, share := strings.CutPrefix(rest, "project-"); share {
		of.tier, rest = Share, after
	}
	if at := strings.LastIndexByte(rest, '-'); at >= 0 || periods[rest] > 0 {
		if per := periods[rest[at+1:]]; per > 0 {
			of.per, rest = per, strings.TrimSuffix(rest[:max(at, 0)], "-per") // tokens-per-minute is DigitalOcean's
		}
	}
	if rest == "" {
		of.dimension = bare
		return of, p, true
	}
	of.dimension = words[rest]
	return of, p, of.dimension != Unknown
}
