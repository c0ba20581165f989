package scheduler_test

import (
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
)

// A line of a script: at this time after its beginning somebody wants this.
// It is admitted, or refused with a wait.
type line struct {
	at     time.Duration
	demand Demand
	wait   time.Duration // 0: admitted
	cause  Cause
}

func tokens(n int64) Demand { return Demand{Tokens: n} }

const sec = time.Second

// TestScripts plays requests against one calendar without bookings. The window
// is 60.5 s throughout: a minute and the skew.
func TestScripts(t *testing.T) {
	noon := "2026-06-15 12:00:00"
	small := tokens(1)
	for name, script := range map[string]struct {
		begin  string
		limits Limits
		lines  []line
	}{
		"RPM counts a trailing minute, not one of the clock": {noon, Limits{RPM: 2, TPM: 1000, RPD: Unlimited}, []line{
			{50 * sec, small, 0, ""},
			{59 * sec, small, 0, ""},
			{61 * sec, small, 50 * sec, ByRPM}, // whole seconds: 49.5 s are not enough
			{110 * sec, small, 1 * sec, ByRPM},
			{110*sec + 499*ms, small, 1 * sec, ByRPM},
			{110*sec + 500*ms, small, 0, ""},
			{110*sec + 501*ms, small, 9 * sec, ByRPM},
			{119*sec + 499*ms, small, 1 * sec, ByRPM},
			{119*sec + 500*ms, small, 0, ""},
		}},
		"TPM frees as it was used": {noon, Limits{RPM: 60, TPM: 1000, RPD: Unlimited}, []line{
			{0, tokens(600), 0, ""},
			{10 * sec, tokens(400), 0, ""},
			{20 * sec, tokens(1), 41 * sec, ByTPM},
			{20 * sec, tokens(600), 41 * sec, ByTPM},
			{20 * sec, tokens(601), 51 * sec, ByTPM},
			{60*sec + 500*ms, tokens(600), 0, ""},
			{60*sec + 500*ms, tokens(1), 10 * sec, ByTPM},
		}},
		"the cause is what was met first": {noon, Limits{RPM: 2, TPM: 1000, RPD: Unlimited}, []line{
			{0, tokens(900), 0, ""},
			{30 * sec, tokens(50), 0, ""},
			{40 * sec, tokens(100), 21 * sec, ByTPM},
			{40 * sec, tokens(20), 21 * sec, ByRPM},
		}},
		"1M tokens at 250k TPM cool down for four windows": {noon, DefaultLimits(Flash), []line{
			{0, tokens(1_000_000), 0, ""},
			{0, small, 4*60*sec + 2*sec, ByTPM}, // 4 * 60.5 s
			{241*sec + 999*ms, small, 1 * sec, ByTPM},
			{242 * sec, small, 0, ""},
		}},
		"500k tokens cool down for two": {noon, DefaultLimits(Flash), []line{
			{0, tokens(500_000), 0, ""},
			{0, tokens(250_000), 121 * sec, ByTPM},
			{121 * sec, tokens(250_000), 0, ""},
			{121 * sec, tokens(250_000), 61 * sec, ByTPM}, // not oversize: one window
		}},
		"an oversize request waits until it is alone": {noon, DefaultLimits(Flash), []line{
			{0, small, 0, ""},
			{30 * sec, small, 0, ""},
			{31 * sec, tokens(250_001), 60 * sec, ByTPM},
			{90*sec + 500*ms, tokens(250_001), 0, ""},
		}},
		"an allowance is added to the interval": {noon, Limits{RPM: 1, TPM: 1000, RPD: Unlimited}, []line{
			{0, Demand{Tokens: 1, Allowance: 3*sec + 1}, 0, ""},
			{63*sec + 500*ms, small, 1 * sec, ByRPM},
			{63*sec + 501*ms, small, 0, ""},
		}},
		"several requests in one": {noon, Limits{RPM: 5, TPM: 1000, RPD: Unlimited}, []line{
			{0, Demand{Tokens: 1, Requests: 3}, 0, ""},
			{1 * sec, Demand{Tokens: 1, Requests: 3}, 60 * sec, ByRPM},
			{1 * sec, Demand{Tokens: 1, Requests: 2}, 0, ""},
			{1 * sec, Demand{Tokens: 1, Requests: 6}, -1, TooLarge},
		}},
		"nothing is counted without limits": {noon, Limits{RPM: Unlimited, TPM: Unlimited, RPD: Unlimited}, []line{
			{0, tokens(1_048_576), 0, ""},
			{0, tokens(1_048_576), 0, ""},
			{0, tokens(1_048_577), -1, TooLarge}, // but the context window is
		}},
		"no quota at all": {noon, Limits{RPM: 0, TPM: 1000, RPD: 10}, []line{{0, small, -1, Unavailable}}},
		"RPD lasts until Pacific midnight": {"2026-06-15 22:00:00", Limits{RPM: 10, TPM: 1000, RPD: 2}, []line{
			{0, small, 0, ""},
			{1 * sec, small, 0, ""},
			{2 * sec, small, 2*time.Hour - 1*sec, ByRPD}, // and the skew, in whole seconds
			{2 * time.Hour, small, 1 * sec, ByRPD},
			{2*time.Hour + 500*ms, small, 0, ""},
		}},
		"the day is the cause, whatever else is in the way": {"2026-06-15 23:59:30", Limits{RPM: 1, TPM: 1000, RPD: 1}, []line{
			{0, small, 0, ""},
			{1 * sec, small, 60 * sec, ByRPD},
		}},
		"a day of 23 hours": {"2026-03-08 00:00:01", Limits{RPM: 10, TPM: 1000, RPD: 1}, []line{
			{0, small, 0, ""},
			{1 * sec, small, 23*time.Hour - 1*sec, ByRPD},
			{23*time.Hour - 500*ms, small, 0, ""},
		}},
		"a day of 25 hours": {"2026-11-01 00:00:01", Limits{RPM: 10, TPM: 1000, RPD: 1}, []line{
			{0, small, 0, ""},
			{1 * sec, small, 25*time.Hour - 1*sec, ByRPD},
			{24 * time.Hour, small, 1*time.Hour + 0*sec, ByRPD},
			{25*time.Hour - 500*ms, small, 0, ""},
		}},
		"just before midnight a request counts on both days": {"2026-06-15 23:59:59.6", Limits{RPM: 10, TPM: 1000, RPD: 1}, []line{
			{0, small, 0, ""},
			{901 * ms, small, 24 * time.Hour, ByRPD}, // the new day is spent too
		}},
		"and just after it": {"2026-06-16 00:00:00.4", Limits{RPM: 10, TPM: 1000, RPD: 1}, []line{
			{0, small, 0, ""},
			{1 * sec, small, 24 * time.Hour, ByRPD},
		}},
		"so does one whose body takes long to send": {"2026-06-15 23:59:55", Limits{RPM: 10, TPM: 1000, RPD: 1}, []line{
			{0, Demand{Tokens: 1, Allowance: 5 * sec}, 0, ""},
			{6 * sec, small, 24*time.Hour + 0*sec, ByRPD},
		}},
		"a clock that runs backwards": {noon, Limits{RPM: 2, TPM: 1000, RPD: Unlimited}, []line{
			{10 * sec, small, 0, ""},
			{9 * sec, small, 0, ""}, // decided at 10 s
			{-time.Hour, small, 61 * sec, ByRPM},
			{70 * sec, small, 1 * sec, ByRPM},
			{70*sec + 500*ms, small, 0, ""},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			rules, begin := rulesFor(map[string]Limits{"m": script.limits}), pacific(script.begin)
			var p *Project
			for i, l := range script.lines {
				now := begin.Add(l.at)
				var result Result
				p, result = apply(t, rules, p, now, Reserve{Model: "m", Demand: l.demand, ID: uint64(i + 1)})
				if l.wait < 0 {
					assert.Equal(t, Never, result.Start, "line %d: %+v", i, l)
					assert.Equal(t, Replan, result.Verdict, "line %d: %+v", i, l)
					assert.Equal(t, l.cause, result.Cause, "line %d: %+v", i, l)
					continue
				}
				if p != nil {
					now = max(now, p.Latest)
				}
				assert.Equal(t, l.wait, result.Start.Sub(now), "line %d: %+v", i, l)
				assert.Equal(t, l.cause, result.Cause, "line %d: %+v", i, l)
				assert.Equal(t, l.wait == 0, result.Verdict == Admitted, "line %d: %+v", i, l)
			}
		})
	}
}
