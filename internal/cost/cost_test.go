package cost

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The page is what is computed.
func TestDocument(t *testing.T) {
	var want bytes.Buffer
	require.NoError(t, Document(&want))
	got, err := os.ReadFile("../../.github/cost.md")
	require.NoError(t, err)
	assert.Equal(t, want.String(), string(got), "write it again: go run ./cmd/fluxgate cost --markdown >.github/cost.md")
}

// By hand, where everything is beyond what is free.
func TestEstimate(t *testing.T) {
	l := Load{
		Latency: 2 * time.Second, Concurrency: 4, VCPU: 2, GiB: 0.5, Writes: 1, Reads: 0.1, Secrets: 10, Jobs: 5, LogBytes: 2 << 10,
		SecretsTTL: 5 * time.Minute, Conditions: 3, PerInstance: 40, Least: 10,
	}
	const n = 1_000_000
	b := estimate(List(), l, n)
	// 2 s of each shared by 4: half a second of an instance, 500,000 s a day, of
	// which there are 5.8 at a time, so six.
	assert.EqualValues(t, 6, b.Instances)
	assert.InDelta(t, (30e6-2e6)*0.40/1e6+(15e6*2-180e3)*0.000024+(15e6*0.5-360e3)*0.0000025, b.Run-float64(10*86400-500_000)*30*2.5*0.0000025, 1e-6)
	// The control document every 10 s of these; what was used each minute and half a second of
	// them, until the next request ends.
	const used = 500_000 / 60.5
	assert.InDelta(t, (30e6+used*30-600e3)*0.09/1e5+((100_000+50_000+used)*30-1.5e6)*0.03/1e5, b.Firestore, 1e-6)
	assert.InDelta(t, 4*0.06+(6*288*10*30-10_000)*0.03/1e4, b.Secrets, 1e-6)
	assert.InDelta(t, (30e6*2/(1<<20)-50)*0.5, b.Logs, 1e-6)
	assert.InDelta(t, 2*0.10, b.Schedule, 1e-6)
	assert.InDelta(t, 3*0.10+3*720*30*0.35/1e6, b.Monitoring, 1e-6, "three conditions, which look 720 times a day")
	assert.InDelta(t, b.Run+b.Firestore+b.Secrets+b.Logs+b.Schedule+b.Monitoring, b.total(), 1e-6)
}

func TestNothingCostsNothing(t *testing.T) {
	l := NewLoad()
	l.Conditions = 0
	assert.Zero(t, estimate(List(), l, 0).total())
	l.Secrets = 7
	assert.InDelta(t, 0.06, estimate(List(), l, 0).total(), 1e-9, "a secret more than is free")
}

// Requests that come at random overlap by chance: few hardly ever, so that each
// is billed alone, and many always, so that all of the day is.
func TestOccupied(t *testing.T) {
	l := NewLoad()
	busy, instances := l.occupied(10)
	assert.InDelta(t, 10*5, busy, 0.1)
	assert.EqualValues(t, 1, instances)
	busy, instances = l.occupied(10_800)
	assert.InDelta(t, 86_400*(1-math.Exp(-0.625)), busy, 1e-6)
	assert.EqualValues(t, 1, instances)
	busy, instances = l.occupied(1_000_000) // 57.9 at a time
	assert.InDelta(t, 2*86_400, busy, 1)
	assert.EqualValues(t, 2, instances)
	// More requests never cost less, whatever the number of instances.
	last := -1.0
	for n := 0.0; n < 3e6; n += 5000 {
		total := estimate(List(), l, n).total()
		require.GreaterOrEqual(t, total, last, "%v", n)
		last = total
	}
}

// Where the free tier ends, nothing is paid for that price, and one request more
// is.
func TestFreeUntil(t *testing.T) {
	p, l := List(), NewLoad()
	l.Concurrency = 10
	for i, price := range p.all() {
		until := freeUntil(p, l, i)
		if math.IsInf(until, 1) {
			assert.Contains(t, []string{p.Versions.Name, p.Jobs.Name, p.Conditions.Name, p.Looks.Name, p.Idle.Name}, price.Name)
			continue
		}
		assert.Zero(t, price.cost(estimate(p, l, until).amounts[i]), price.Name)
		assert.Positive(t, price.cost(estimate(p, l, until+1).amounts[i]), price.Name)
	}
	assert.EqualValues(t, 11_998, freeUntil(p, l, 1), "180,000 s a month, half a second each, and a start a day")
	assert.EqualValues(t, 22_389, freeUntil(p, l, 4), "20,000 writes a day at 0.885, and what was used for every 121st request")
	l.Writes = 2
	assert.EqualValues(t, 9_958, freeUntil(p, l, 4), "the bound of the design")
	l.LogBytes = 0
	assert.True(t, math.IsInf(freeUntil(p, l, 8), 1))
}

// The day that eight projects of the free tier have costs nothing with the free profile,
// and no part of what is free is used up by it.
func TestFreeProfile(t *testing.T) {
	profile, err := ProfileOf("free")
	require.NoError(t, err)
	l := profile.Load()
	for _, n := range []float64{1, 100, 1_000, 5_000, 10_800} {
		assert.Zero(t, estimate(List(), l, n).total(), "%v requests a day", n)
	}
	assert.Positive(t, estimate(List(), l, 20_000).total(), "it ends somewhere")
	// What the same day costs where an instance has a whole vCPU.
	assert.Greater(t, estimate(List(), NewLoad(), 10_800).Run, 20.0)
	_, err = ProfileOf("cheap")
	assert.ErrorContains(t, err, "want default, free, batch, busy")
}

// In one go the same day is more than the free profile has for nothing, and says so; it costs
// nothing with the profile that is for that.
func TestOneGo(t *testing.T) {
	profile, err := ProfileOf("free")
	require.NoError(t, err)
	var said bytes.Buffer
	require.NoError(t, Print(&said, List(), profile.Load(), []float64{1000, 10_800}))
	rush, differs := profile.Load().inOneGo()
	require.True(t, differs)
	assert.Positive(t, estimate(List(), rush, 10_800).total())
	until := freeUntil(List(), rush, firestoreReads)
	assert.Zero(t, estimate(List(), rush, until).Firestore)
	assert.Less(t, until, 10_800.0)
	assert.Contains(t, said.String(), "in one go")
	assert.Contains(t, said.String(), "then what is free ends at "+number(until)+" requests a day")

	profile, err = ProfileOf("batch")
	require.NoError(t, err)
	assert.Zero(t, estimate(List(), profile.Load(), 10_800).total())
	said.Reset()
	require.NoError(t, Print(&said, List(), profile.Load(), []float64{10_800}))
	assert.NotContains(t, said.String(), "in one go\n")
	other := profile.Load()
	other.Writes = 3
	_, differs = other.inOneGo()
	assert.False(t, differs, "what is said to be measured is that")
}

// Arrivals at random, one at a time on an instance that is kept for 15 minutes: against
// counting them one by one.
func TestStarts(t *testing.T) {
	profile, _ := ProfileOf("free")
	l := profile.Load()
	random := rand.New(rand.NewPCG(1, 2))
	for _, perDay := range []float64{300, 1_000, 10_800} {
		const days = 60
		type instance struct{ busyUntil float64 }
		var kept []instance // the one that was used last comes last
		starts := 0.0
		for at := 0.0; at < days*86_400; at += random.ExpFloat64() * 86_400 / perDay {
			kept = slices.DeleteFunc(kept, func(i instance) bool { return at-i.busyUntil > idle.Seconds() })
			found := -1
			for i := range kept {
				if kept[i].busyUntil <= at {
					found = i // the latest that is free, so that the others may end
				}
			}
			if found >= 0 {
				kept = slices.Delete(kept, found, found+1)
			} else {
				starts++
			}
			kept = append(kept, instance{at + l.Latency.Seconds()})
		}
		assert.InEpsilon(t, starts/days, l.starts(perDay), 0.5, "%v requests a day", perDay)
	}
}

// Every text that a profile is sold by has its source.
func TestConstraintsAreCited(t *testing.T) {
	for _, p := range Profiles() {
		for _, c := range p.constraints() {
			assert.Regexp(t, `: https://(docs\.)?cloud\.google\.com/`, c)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{15 * time.Minute: "15m", 6 * time.Hour: "6h", 90 * time.Minute: "1h30m", 90 * time.Second: "1m30s"} {
		assert.Equal(t, want, brief(d))
	}
}

// Whoever corrects a price has to say where it is from.
func TestPrices(t *testing.T) {
	for _, price := range List().all() {
		assert.Positive(t, price.USD, price.Name)
		assert.Positive(t, price.Per, price.Name)
		assert.True(t, strings.HasPrefix(price.Page, "https://cloud.google.com/"), price.Name)
		assert.NotEmpty(t, price.Unit, price.Name)
	}
	_, err := time.Parse(time.DateOnly, Surveyed)
	assert.NoError(t, err)
}

func TestValidate(t *testing.T) {
	assert.NoError(t, NewLoad().Validate())
	for want, change := range map[string]func(*Load){
		"latency 0s":          func(l *Load) { l.Latency = 0 },
		"latency 2h0m0s":      func(l *Load) { l.Latency = 2 * time.Hour },
		"concurrency 0.5":     func(l *Load) { l.Concurrency = 0.5 },
		"concurrency NaN":     func(l *Load) { l.Concurrency = math.NaN() },
		"vcpu -1":             func(l *Load) { l.VCPU = -1 },
		"memory NaN":          func(l *Load) { l.GiB = math.NaN() },
		"writes +Inf":         func(l *Load) { l.Writes = math.Inf(1) },
		"secrets -1":          func(l *Load) { l.Secrets = -1 },
		"alert conditions -1": func(l *Load) { l.Conditions = -1 },
		"secrets TTL 1s":      func(l *Load) { l.SecretsTTL = time.Second },
		"per instance 0":      func(l *Load) { l.PerInstance = 0 },
		"log bytes 2000000":   func(l *Load) { l.LogBytes = 2_000_000 },
	} {
		l := NewLoad()
		change(&l)
		assert.ErrorContains(t, l.Validate(), strings.ReplaceAll(want, "2000000", "2e+06"), want)
	}
}

func TestNumber(t *testing.T) {
	for f, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1_000_000: "1,000,000", 0.000024: "0.000024", 1234.5: "1,234.5"} {
		assert.Equal(t, want, number(f))
	}
}
