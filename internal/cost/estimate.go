package cost

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"time"

	"fluxgate.dev/fluxgate/internal/usage"
	"fluxgate.dev/fluxgate/storage"
)

// What an admission was measured to take, in documents. TestFirestoreOperations
// of internal/acceptance measures it on the emulator, and fails above 1.05 writes
// (2.1 for one that was booked) or 0.1 reads.
const (
	measuredWrites = 0.885 // where there is room; when many wait they share commits: 0.225
	measuredReads  = 0.013 // and 0.016
)

// The same where every request has an instance of its own: what ten instances took where
// many wait, by the same test, which is more than requests take that come all day long. How
// long such an instance takes to start is assumed.
const (
	aloneWrites = 1.4
	aloneReads  = 2.2
	aloneStart  = 5 * time.Second
)

// And where all requests of a day come in one go, half of them of callers that book: what
// `fluxgate bench free` measured, with ten processes of a twelfth of a processor each. Nearly
// every request is told a wait there, before which the instance reads each project that others
// have written to since it last looked; and a slot that one instance has told of another gives
// away, so most are booked and take two writes.
const (
	rushWrites = 2.38
	rushReads  = 6.82
)

// A Load is what is asked of a deployment.
type Load struct {
	// Profile is the name of the profile that it began with.
	Profile string
	// Latency is how long a request is under way in Fluxgate, on average. Nearly
	// all of it is Gemini's.
	Latency time.Duration
	// Concurrency is how many requests share an instance, on average, while it has
	// any; 0: as many as there are when they come at random all day long.
	Concurrency float64
	// VCPU and GiB are what an instance has, PerInstance how many requests it has at a
	// time when there are many, and Least how many instances are kept without any.
	VCPU, GiB, PerInstance, Least float64
	// Start is how long a cold start is billed for.
	Start time.Duration
	// Writes and Reads are the documents that a request takes, the control document and
	// the record of what was used apart.
	Writes, Reads float64
	Secrets       int           // secrets of one version each: keys, tokens, administrators' tokens
	SecretsTTL    time.Duration // how long what was read of one is used
	Jobs          int           // scheduled jobs
	Conditions    int           // of alert policies
	LogBytes      float64       // logged by and for one request
}

const (
	day = 24 * time.Hour
	// granule is what Cloud Run rounds billed time up to; half of it is lost on average.
	granule = 100 * time.Millisecond
	// idle is how long an instance without a request is kept at most.
	idle = 15 * time.Minute
	// startReads are the documents that a cold start reads: the control document, and what
	// one request looks at of eight projects.
	startReads = 9
	// evaluation is how often a condition looks (terraform/alerts.tf), at one series each.
	evaluation = 2 * time.Minute
)

// Validate returns everything that is wrong with a load.
func (l Load) Validate() error {
	var problems []error
	if l.Latency <= 0 || l.Latency > time.Hour {
		problems = append(problems, fmt.Errorf("latency %s: want more than 0 and at most an hour", l.Latency))
	}
	if l.SecretsTTL < time.Minute || l.SecretsTTL > day {
		problems = append(problems, fmt.Errorf("secrets TTL %s: want 1m to 24h", l.SecretsTTL))
	}
	if l.PerInstance < 1 {
		problems = append(problems, fmt.Errorf("per instance %v: want at least 1", l.PerInstance))
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
		{"alert conditions", float64(l.Conditions), 1000},
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
	Monitoring                              float64

	amounts [kinds]float64 // a month, in the order of Prices.all
}

// total returns the sum.
func (b bill) total() float64 {
	return b.Run + b.Firestore + b.Secrets + b.Logs + b.Schedule + b.Monitoring
}

// estimate returns the bill for so many requests a day.
func estimate(p Prices, l Load, perDay float64) bill {
	busy, instances := l.occupied(perDay)
	// An instance reads the control document when it is older than ControlAge and
	// a request comes, and secrets likewise.
	control := min(perDay, busy/storage.ControlAge.Seconds())
	// What was used is read and written when a request ends and the last time is a minute
	// ago: of requests at random, the next one after each minute. A batch has its instances
	// for as long as it takes.
	kept := instances * day.Seconds()
	if l.Concurrency > 0 {
		kept = busy
	}
	used := 1 / (usage.Every.Seconds()/kept + 1/perDay)
	starts := l.starts(perDay)
	refreshed := min(perDay, instances*day.Seconds()/l.SecretsTTL.Seconds()) + starts
	billed := busy + starts*l.Start.Seconds()
	unused := max(0, l.Least*day.Seconds()-billed)
	looks := float64(l.Conditions) * day.Seconds() / evaluation.Seconds()
	amounts := [kinds]float64{
		perDay * Days, billed * l.VCPU * Days, billed * l.GiB * Days, unused * (l.VCPU + l.GiB) * Days,
		(perDay*l.Writes + used) * Days, (perDay*l.Reads + used + control + starts*startReads) * Days,
		float64(l.Secrets), refreshed * float64(l.Secrets) * Days,
		perDay * l.LogBytes * Days / (1 << 30), float64(l.Jobs),
		float64(l.Conditions), looks * Days,
	}
	var c [kinds]float64
	for i, price := range p.all() {
		c[i] = price.cost(amounts[i])
	}
	return bill{
		PerDay: perDay, Instances: instances, amounts: amounts,
		Run: c[0] + c[1] + c[2] + c[3], Firestore: c[4] + c[5], Secrets: c[6] + c[7], Logs: c[8], Schedule: c[9],
		Monitoring: c[10] + c[11],
	}
}

// occupied returns for how many seconds of a day instances are billed, together,
// and how many there are at a time. An instance is billed while it has a request.
func (l Load) occupied(perDay float64) (busy, instances float64) {
	under := perDay * l.Latency.Seconds() // seconds of requests
	if l.PerInstance == 1 {
		// Each is billed alone, and what is kept for the next follows from how many there
		// are at a time at worst: the average and three deviations.
		average := under / day.Seconds()
		return perDay * (l.Latency + granule/2).Seconds(), math.Max(l.Least, math.Ceil(average+3*math.Sqrt(average)))
	}
	if l.Concurrency > 0 {
		return under / l.Concurrency, math.Max(1, math.Ceil(under/l.Concurrency/day.Seconds()))
	}
	// With arrivals at random, so many are under way on average, and an instance
	// has none with the probability of e to the minus its share.
	average := under / day.Seconds()
	instances = math.Max(1, math.Ceil(average/l.PerInstance))
	return instances * day.Seconds() * -math.Expm1(-average/instances), instances
}

// starts returns how many instances start in a day. The k-th is needed whenever a request
// finds the others taken, and starts if that was longer ago than an idle one is kept: with
// arrivals at random the time between is exponential, and so many are under way as
// Poisson's distribution says. Where an instance takes many, only the first is so rarely
// needed that it counts, and a batch (Concurrency) starts its own once.
func (l Load) starts(perDay float64) float64 {
	rate := perDay / day.Seconds()
	seldom := func(needed float64) float64 { return needed * math.Exp(-needed*idle.Seconds()) * day.Seconds() }
	switch {
	case l.Least > 0 || perDay == 0:
		return 0
	case l.PerInstance > 1 && l.Concurrency > 0:
		return min(perDay, 1)
	case l.PerInstance > 1:
		return seldom(rate)
	}
	average := rate * l.Latency.Seconds()
	likely := math.Exp(-average) // that so many are taken
	starts := 0.0
	for k := 1.0; k < 10_000 && (k <= average || likely > 1e-12); k++ {
		starts += seldom(rate * likely)
		likely *= average / k
	}
	return starts
}

// freeUntil returns the most requests a day that what is free of the i-th of the
// prices covers; infinity where requests have no part in it.
func freeUntil(p Prices, l Load, i int) float64 {
	const most = 1_000_000_000
	free := p.all()[i].freeMonth()
	first := sort.Search(most, func(perDay int) bool { return estimate(p, l, float64(perDay)).amounts[i] > free })
	if first == most || first == 0 { // requests have no part in it
		return math.Inf(1)
	}
	return float64(first - 1)
}
