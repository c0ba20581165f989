package cost

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"time"

	"fluxgate.dev/fluxgate/storage"
)

// What an admission was measured to take, in documents. TestFirestoreOperations
// of internal/endtoend measures it on the emulator, and fails above 1.05 writes
// (2.1 for one that was booked) or 0.1 reads.
const (
	measuredWrites = 0.885 // where there is room; when many wait they share commits: 0.225
	measuredReads  = 0.013 // and 0.016
)

// A Load is what is asked of a deployment.
type Load struct {
	// Latency is how long a request is under way in Fluxgate, on average. Nearly
	// all of it is Gemini's.
	Latency time.Duration
	// Concurrency is how many requests share an instance, on average, while it has
	// any; 0: as many as there are when they come at random all day long.
	Concurrency float64
	// VCPU and GiB are what an instance has.
	VCPU, GiB float64
	// Writes and Reads are the documents that a request takes, the control
	// document apart.
	Writes, Reads float64
	Secrets       int     // secrets of one version each: keys, tokens, administrators' tokens
	Jobs          int     // scheduled jobs
	LogBytes      float64 // logged by and for one request
}

// The defaults that aren't measurements.
const (
	// An instance takes 80 requests at a time and is taken to be half full.
	perInstance = 40
	// refresh is how long an instance uses what it has read of a secret.
	refresh = 5 * time.Minute
	day     = 24 * time.Hour
)

// NewLoad returns the load by which the repository's page is computed.
func NewLoad() Load {
	return Load{
		Latency: 5 * time.Second, VCPU: 1, GiB: 0.5, Writes: measuredWrites, Reads: measuredReads,
		Secrets: 3, Jobs: 2, LogBytes: 4096,
	}
}

// Validate returns everything that is wrong with a load.
func (l Load) Validate() error {
	var problems []error
	if l.Latency <= 0 || l.Latency > time.Hour {
		problems = append(problems, fmt.Errorf("latency %s: want more than 0 and at most an hour", l.Latency))
	}
	if !(l.Concurrency == 0 || l.Concurrency >= 1) || l.Concurrency > 1000 {
		problems = append(problems, fmt.Errorf("concurrency %v: want 1 to 1000, or 0", l.Concurrency))
	}
	for _, f := range []struct {
		name  string
		value float64
		most  float64
	}{
		{"vcpu", l.VCPU, 8}, {"memory", l.GiB, 32}, {"writes", l.Writes, 100}, {"reads", l.Reads, 100},
		{"secrets", float64(l.Secrets), 1000}, {"jobs", float64(l.Jobs), 1000}, {"log bytes", l.LogBytes, 1 << 20},
	} {
		if !(f.value >= 0 && f.value <= f.most) {
			problems = append(problems, fmt.Errorf("%s %v: want 0 to %v", f.name, f.value, f.most))
		}
	}
	return errors.Join(problems...)
}

// A bill is what a month costs, in USD, and for what.
type bill struct {
	PerDay                                  float64 // requests
	Instances                               float64 // at a time, on average, while there is any
	Run, Firestore, Secrets, Logs, Schedule float64

	amounts [9]float64 // a month, in the order of Prices.all
}

// total returns the sum.
func (b bill) total() float64 { return b.Run + b.Firestore + b.Secrets + b.Logs + b.Schedule }

// estimate returns the bill for so many requests a day.
func estimate(p Prices, l Load, perDay float64) bill {
	busy, instances := l.occupied(perDay)
	// An instance reads the control document when it is older than ControlAge and
	// a request comes, and secrets likewise.
	control := min(perDay, busy/storage.ControlAge.Seconds())
	refreshed := min(perDay, instances*day.Seconds()/refresh.Seconds())
	amounts := [9]float64{
		perDay * Days, busy * l.VCPU * Days, busy * l.GiB * Days,
		perDay * l.Writes * Days, (perDay*l.Reads + control) * Days,
		float64(l.Secrets), refreshed * float64(l.Secrets) * Days,
		perDay * l.LogBytes * Days / (1 << 30), float64(l.Jobs),
	}
	var c [9]float64
	for i, price := range p.all() {
		c[i] = price.cost(amounts[i])
	}
	return bill{
		PerDay: perDay, Instances: instances, amounts: amounts,
		Run: c[0] + c[1] + c[2], Firestore: c[3] + c[4], Secrets: c[5] + c[6], Logs: c[7], Schedule: c[8],
	}
}

// occupied returns for how many seconds of a day instances are billed, together,
// and how many there are at a time. An instance is billed while it has a request.
func (l Load) occupied(perDay float64) (busy, instances float64) {
	under := perDay * l.Latency.Seconds() // seconds of requests
	if l.Concurrency > 0 {
		return under / l.Concurrency, math.Max(1, math.Ceil(under/l.Concurrency/day.Seconds()))
	}
	// With arrivals at random, so many are under way on average, and an instance
	// has none with the probability of e to the minus its share.
	average := under / day.Seconds()
	instances = math.Max(1, math.Ceil(average/perInstance))
	return instances * day.Seconds() * -math.Expm1(-average/instances), instances
}

// freeUntil returns the most requests a day that what is free of the i-th of the
// prices covers; infinity where requests have no part in it.
func freeUntil(p Prices, l Load, i int) float64 {
	const most = 1_000_000_000
	free := p.all()[i].freeMonth()
	first := sort.Search(most, func(perDay int) bool { return estimate(p, l, float64(perDay)).amounts[i] > free })
	if first == most {
		return math.Inf(1)
	}
	return float64(first - 1)
}
