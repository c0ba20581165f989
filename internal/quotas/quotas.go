package quotas

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Limit is one of a provider's limits.
type Limit struct {
	// Model is the one that it is of, by its own name; empty: each of the provider's. It goes before
	// the same limit of each.
	Model string `json:"model"`
	// Project is the one that it is of; empty: each. It goes before the same limit of each project.
	Project string `json:"project"`
	// Of is what is limited: Requests, Tokens, InputTokens, OutputTokens or AtATime.
	Of string `json:"of"`
	// Most is how many there may be.
	Most int64 `json:"most"`
	// Per is in which time: a duration of whole seconds, such as "10s" or "24h", or Day. Default
	// "1m". There is none for AtATime.
	Per string `json:"per"`
	// Burst says that they are refilled without a break, and how many may be there at once. 0:
	// they are limited within any such time.
	Burst int64 `json:"burst"`
	// Late is how much later than it was sent a request may arrive there, such as "50ms", where that is known: it counts
	// for so much longer than Per. Default: what FLUXGATE_SKEW says.
	Late string `json:"late"`
	// Zone is in whose midnight a Day ends, such as "America/Los_Angeles". Default "UTC".
	Zone string `json:"zone"`
}

// What may be limited.
const (
	Requests     = "requests"
	Tokens       = "tokens"       // as the provider counts them a minute
	InputTokens  = "input_tokens" // where they have a limit beside that of Tokens
	OutputTokens = "output_tokens"
	AtATime      = "at_a_time" // requests that aren't answered
)

// Day is the Per of a day that ends at midnight.
const Day = "day"

// Windows and Buckets are the times that limits may be of, without and with a burst: those that
// providers are known to have. Those of a minute without one are in FLUXGATE_LIMITS.
var (
	Windows = []time.Duration{time.Second, 10 * time.Second, time.Hour, 24 * time.Hour}
	Buckets = []time.Duration{time.Minute, time.Hour, 24 * time.Hour}
)

// A List is the limits of one provider.
type List []Limit

// String says what may be, such as "50 requests/10s" or "60 requests/1m, 1 at once".
func (l Limit) String() string {
	text := fmt.Sprintf("%d %s", l.Most, strings.ReplaceAll(l.Of, "_", " "))
	switch {
	case l.Of == AtATime:
		return fmt.Sprintf("%d requests at a time", l.Most)
	case l.Burst > 0:
		return fmt.Sprintf("%s/%s, %d at once", text, cmp.Or(l.Per, "1m"), l.Burst)
	}
	return text + "/" + cmp.Or(l.Per, "1m")
}

// Check returns what is wrong with the limits, all of it.
func (list List) Check() (problems []error) {
	for i, l := range list {
		if err := l.check(); err != nil {
			problems = append(problems, fmt.Errorf("limits, entry %d: %w", i+1, err))
		}
	}
	return problems
}

// Period returns the time that the limit is of; 0: a day that ends at midnight, or none.
func (l Limit) Period() (time.Duration, error) {
	switch {
	case l.Per == "" && l.Of != AtATime:
		return time.Minute, nil
	case l.Per == "" || l.Per == Day:
		return 0, nil
	}
	return time.ParseDuration(l.Per)
}

// Lateness returns how much later a request may arrive; 0: nobody has named it.
func (l Limit) Lateness() time.Duration {
	late, _ := time.ParseDuration(l.Late) // it was checked when it was read
	return late
}

// maxLate bounds what is named of it, as FLUXGATE_SKEW is bounded.
const maxLate = 10 * time.Second

// Location returns in whose midnight a day ends.
func (l Limit) Location() (*time.Location, error) { return time.LoadLocation(l.Zone) } // empty is UTC

func (l Limit) check() error {
	per, err := l.Period()
	_, nowhere := l.Location()
	switch {
	case !slices.Contains([]string{Requests, Tokens, InputTokens, OutputTokens, AtATime}, l.Of):
		return errors.New("of: want requests, tokens, input_tokens, output_tokens or at_a_time")
	case l.Most <= 0 || l.Burst < 0:
		return errors.New("most: want a number above 0, and no burst below it")
	case l.Zone != "" && l.Per != Day:
		return errors.New("zone: there is one per day alone: leave it out")
	case nowhere != nil:
		return errors.New("zone: want one such as UTC or America/Los_Angeles")
	case l.Late != "" && (l.Of == AtATime || l.Of == InputTokens || l.Of == OutputTokens || l.Per == Day):
		return errors.New("late: want it of requests or tokens in 1s, 10s, 1h or 24h, or with a burst")
	case l.Late != "" && (l.Lateness() < time.Millisecond || l.Lateness() > maxLate):
		return errors.New("late: want a duration such as 50ms, 1ms to 10s")
	case l.Of == AtATime && (l.Per != "" || l.Burst != 0):
		return errors.New("at_a_time: there is no per, and no burst: leave them out")
	case l.Of == AtATime:
		return nil
	case l.Per == Day && (l.Of != Requests || l.Burst != 0):
		return errors.New("per day: want requests, without a burst; tokens, and what is refilled, are per 24h")
	case l.Per == Day:
		return nil
	case (l.Of == InputTokens || l.Of == OutputTokens) && per != time.Minute:
		return errors.New("input_tokens and output_tokens: want them per 1m")
	case l.Of == InputTokens || l.Of == OutputTokens:
		return nil
	case err == nil && per == time.Minute && l.Burst == 0:
		return errors.New("per 1m without a burst: name it in FLUXGATE_LIMITS, which has rpm and tpm")
	case err != nil, l.Burst == 0 && !slices.Contains(Windows, per), l.Burst > 0 && !slices.Contains(Buckets, per):
		return errors.New("per: want 1s, 10s, 1h, 24h or day, or with a burst 1m, 1h or 24h")
	}
	return nil
}
