package terminal

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/remote"
)

// exact writes a number with a comma between thousands.
func exact(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// compact writes a number in at most five characters, exact up to four digits.
func compact(n int64) string {
	if n < 10_000 {
		return strconv.FormatInt(n, 10)
	}
	value := float64(n)
	for _, unit := range []string{"k", "M", "G"} {
		value /= 1000
		if value < 9.95 {
			return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0") + unit
		}
		if value < 999.5 {
			return strconv.FormatFloat(value, 'f', 0, 64) + unit
		}
	}
	return strconv.FormatFloat(value/1000, 'f', 0, 64) + "T"
}

func limit(n int64) string {
	if n == remote.Unlimited {
		return "∞"
	}
	return compact(n)
}

// durationText writes a duration in two units at most.
func durationText(d time.Duration) string {
	seconds := int64(d / time.Second)
	switch {
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 60*60:
		return fmt.Sprintf("%dm%02ds", seconds/60, seconds%60)
	case seconds < 24*60*60:
		return fmt.Sprintf("%dh%02dm", seconds/3600, seconds/60%60)
	}
	return fmt.Sprintf("%dd%02dh", seconds/86400, seconds/3600%24)
}

// wait writes how long it is until an instant, rounded up: nobody is told to come too early. Nil: never.
func wait(now time.Time, until *time.Time) string {
	if until == nil {
		return "never"
	}
	d := until.Sub(now)
	if d <= 0 {
		return "now"
	}
	return durationText(d + time.Second - 1)
}

// ago writes how long an instant is past.
func ago(now, at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return durationText(max(0, now.Sub(at))) + " ago"
}

// clock writes an instant of the day.
func (s Style) clock(t time.Time, layout string) string {
	return t.In(cmp.Or(s.Zone, time.UTC)).Format(layout + " MST")
}

var causes = map[string]string{
	"rpm":             "requests/minute",
	"tpm":             "tokens/minute",
	"rpd":             "requests/day",
	"upstream_minute": "429/minute",
	"upstream_day":    "429/day",
	"upstream_bare":   "429",
	"limit_in_test":   "requests/day in test",
	"too_large":       "too large",
	"no_usable_key":   "no usable key",
	"own_rpm":         "its own requests/minute",
	"own_tpm":         "its own tokens/minute",
	"own_rpd":         "its own requests/day",
	"own_budget":      "its own budget",
}

// causeText writes the cause of a wait or block in words. One that this version doesn't know is shown as it is.
func causeText(cause string) string { return cmp.Or(causes[cause], cause) }

// source writes where a number or setting comes from.
func source(s string) string { return strings.ReplaceAll(s, "_", " ") }
