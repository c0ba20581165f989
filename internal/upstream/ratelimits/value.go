package ratelimits

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longest is the longest that anything is believed to be away.
const longest = 32 * day

// most is the largest number that is believed: no limit is as high.
const most = 1e12

// parseCount reads a number that isn't negative, nor absurd. Of several it reads the first, as in the IETF's
// form "100, 100;window=60"; of a fraction what is before the point.
func parseCount(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		if c := s[end]; c != ',' && c != ';' && c != '.' && c != ' ' {
			return 0, false
		}
		s = s[:end]
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n <= most
}

// parseReset reads when a limit is whole again: an instant, seconds since 1970, milliseconds since
// 1970, seconds from now, or a duration. It is none that has passed by more than a moment.
func parseReset(s string, now time.Time) (time.Time, bool) {
	s = strings.TrimSpace(s)
	at := time.Time{}
	if d, ok := parseDuration(s); ok {
		at = now.Add(d)
	} else if n, ok := parseNumber(s); ok {
		switch {
		case n >= 1e14:
			return time.Time{}, false
		case n >= 1e12:
			at = time.UnixMilli(int64(n))
		case n >= 1e9:
			at = time.Unix(int64(n), 0)
		default:
			d, ok := toDuration(n, time.Second)
			if !ok {
				return time.Time{}, false
			}
			at = now.Add(d)
		}
	} else if t, err := time.Parse(time.RFC3339, s); err == nil {
		at = t
	} else if t, err := http.ParseTime(s); err == nil {
		at = t
	} else {
		return time.Time{}, false
	}
	if away := at.Sub(now); away > longest || away < -time.Hour {
		return time.Time{}, false
	}
	return at, true
}

// parseNumber reads a decimal number that isn't negative, without an exponent.
func parseNumber(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil && !math.IsInf(n, 0)
}

func toDuration(n float64, unit time.Duration) (time.Duration, bool) {
	if n*float64(unit) > float64(longest) {
		return 0, false
	}
	return time.Duration(math.Ceil(n * float64(unit))), true
}

// units are those of durations, longer names first.
var units = []struct {
	name string
	unit time.Duration
}{
	{"ms", time.Millisecond}, {"µs", time.Microsecond}, {"us", time.Microsecond}, {"ns", time.Nanosecond},
	{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second},
}

// parseDuration reads "6m0s", "2m59.56s", "12ms", "1d2h": numbers, each with a unit.
func parseDuration(s string) (sum time.Duration, ok bool) {
	for s != "" {
		end := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if end <= 0 {
			return 0, false
		}
		n, number := parseNumber(s[:end])
		s = s[end:]
		unit := time.Duration(0)
		for _, u := range units {
			if rest, found := strings.CutPrefix(s, u.name); found {
				unit, s = u.unit, rest
				break
			}
		}
		d, short := toDuration(n, unit)
		if !number || unit == 0 || !short || sum+d > longest {
			return 0, false
		}
		sum, ok = sum+d, true
	}
	return sum, ok
}
