package admission_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/internal/threadtime"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// Two thousand callers wait for eight projects, and send the same again before their time:
// each answer takes a processor milliseconds, and who waits takes a few hundred bytes.
func TestTwoThousandCallersWait(t *testing.T) {
	race.Skip(t)
	if testing.Short() {
		t.Skip("asks 2,200 times")
	}
	runtime.LockOSThread() // whose time is taken: others use the machine too
	defer runtime.UnlockOSThread()
	const callers = 2000
	pool := make([]string, 8)
	for i := range pool {
		pool[i] = fmt.Sprint("p", i)
	}
	b := newBench(t, storage.NewMemory(time.Now), pool)
	ten, unlimited := int64(10), scheduler.Unlimited
	b.rules.Policy = scheduler.NewPolicy([]string{first}, map[string]scheduler.Override{first: {RPM: &ten, TPM: &unlimited, RPD: &unlimited}})
	ctl, err := admission.New(t.Context(), admission.Options{
		Store: b.shared, Shared: true, Rules: func(storage.Control) *scheduler.Rules { return b.rules },
	})
	require.NoError(t, err)
	b.Controller = ctl
	requests := make([]admission.Request, callers)
	for i := range requests {
		requests[i] = b.request()
		requests[i].Caller = fmt.Sprint("caller-", i)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	refused := 0
	ask := func(requests []admission.Request) (took []time.Duration) {
		for _, req := range requests {
			began := threadtime.Of(t)
			if _, wait := b.admit(req); wait != nil {
				refused++
			}
			took = append(took, threadtime.Of(t)-began)
		}
		slices.Sort(took)
		return took
	}
	first := ask(requests)
	assert.Equal(t, callers-80, refused)
	each := (int64(heap()) - int64(before)) / callers
	time.Sleep(150 * time.Millisecond) // or they would be other requests
	again := ask(requests[callers-200:])
	p99 := again[len(again)*99/100]
	average := func(took []time.Duration) (sum time.Duration) {
		for _, d := range took {
			sum += d / time.Duration(len(took))
		}
		return sum
	}
	t.Logf("first answers %v on average, p50 %v p99 %v, later ones %v, p50 %v p99 %v; %d bytes for each that waits",
		average(first), first[callers/2], first[callers*99/100], average(again), again[len(again)/2], p99, each)
	assert.LessOrEqual(t, p99, 50*time.Millisecond)
	assert.LessOrEqual(t, each, int64(2048))
}

// Hundreds that wait for one project are told different times: never more of them one instant than
// the project takes in a minute. So no herd comes that nobody could serve.
func TestHundredsAreToldDifferentTimes(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		ten, unlimited := int64(10), scheduler.Unlimited
		b.rules.Policy = scheduler.NewPolicy([]string{first}, map[string]scheduler.Override{first: {RPM: &ten, TPM: &unlimited, RPD: &unlimited}})
		ctl, err := admission.New(b.Context(), admission.Options{
			Store: b.shared, Shared: true, Rules: func(storage.Control) *scheduler.Rules { return b.rules },
		})
		require.NoError(t, err)
		b.Controller = ctl
		told := make(map[scheduler.Instant]int)
		most := 0
		for i := range 600 {
			req := b.request()
			req.Caller = fmt.Sprint("caller-", i)
			if _, wait := b.admit(req); wait != nil {
				told[wait.Start]++
				most = max(most, told[wait.Start])
			}
		}
		assert.LessOrEqual(t, most, int(ten))
	})
}
