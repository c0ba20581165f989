package usage

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/internal/requestid"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// noon is in California.
var noon = time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)

// A clock is set by its test.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func (c *clock) meter(r Records) *Meter { return New(Options{Records: r, Now: c.now}) }

func served(project, model, caller string, tokens int64) Answer {
	return Answer{
		For: For{project, model, caller}, Input: tokens, Metered: true, Used: answers.Tokens{Output: 2 * tokens, Thoughts: 3 * tokens, Cached: tokens / 2},
		Waited: 40 * time.Second, Took: 2 * time.Second,
	}
}

func report(t *testing.T, m *Meter, q Query) *Report {
	t.Helper()
	out, err := m.Report(t.Context(), q)
	require.NoError(t, err)
	return out
}

// What began before a window and ends in it is nowhere less than nothing, and in a window that has both
// it is what it came to.
func TestEndsInALaterWindow(t *testing.T) {
	c := &clock{noon}
	m, of := c.meter(storage.NewMemory(nil)), For{"p", "gemini-2.5-flash", "alice"}
	m.Served(Answer{For: of, Input: 500})
	c.Time = c.Add(2 * time.Hour)
	m.Ended(Answer{For: of, Input: 100, Metered: true, Used: answers.Tokens{Output: 10}}, 500)
	late, all := report(t, m, Query{Window: "1h"}).Total, report(t, m, Query{Window: "24h"}).Total
	assert.Equal(t, []int64{0, 0, 0, 10}, []int64{late.Requests, late.Unmetered, late.Input, late.Output})
	assert.Zero(t, late.Dollars)
	assert.Equal(t, []int64{1, 0, 100, 10}, []int64{all.Requests, all.Unmetered, all.Input, all.Output})
	assert.InDelta(t, (100*0.30+10*2.50)/1e6, all.Dollars, 1e-12)
}

// What several instances counted is one sum, whichever is asked, and whatever isn't
// written yet.
func TestInstancesAddUp(t *testing.T) {
	c, store := &clock{noon}, storage.NewMemory(nil)
	a, b := c.meter(store), c.meter(store)
	for range 3 {
		a.Served(served("p", "gemini-2.5-flash", "alice", 100))
	}
	b.Served(served("q", "gemini-2.5-flash", "bob", 1000))
	b.Served(Answer{For: For{"q", "unheard-of", "bob"}, Input: 7})
	b.Refused(t.Context(), For{"", "gemini-2.5-flash", "bob"}, "own_rpm", time.Second)
	b.Failed(t.Context(), For{"", "gemini-2.5-flash", "bob"}, "server")
	require.NoError(t, a.Flush(t.Context()))
	require.NoError(t, b.Flush(t.Context()))
	a.Served(served("p", "gemini-2.5-flash", "alice", 100)) // not written
	c.Time = c.Add(readFor)

	got := report(t, a, Query{Window: "1h", By: []string{"caller"}})
	require.Len(t, got.Rows, 2)
	alice, bob := got.Rows[1], got.Rows[0]
	assert.Equal(t, "alice", alice.Caller)
	assert.EqualValues(t, 4, alice.Requests)
	assert.Equal(t, []int64{400, 800, 1200, 200}, []int64{alice.Input, alice.Output, alice.Thoughts, alice.Cached})
	assert.InDelta(t, 4*(50*0.30+50*0.03+500*2.50)/1e6, alice.Dollars, 1e-12)
	assert.InDelta(t, 40, alice.WaitP95, 4)
	assert.InDelta(t, 2, alice.TookP50, 0.2)
	assert.Equal(t, "bob", bob.Caller)
	assert.Equal(t, []int64{2, 1, 1, 1, 1}, []int64{bob.Requests, bob.Refused, bob.Failed, bob.Unmetered, bob.Unpriced})
	assert.Equal(t, map[string]int64{"own_rpm": 1}, bob.Causes)
	assert.EqualValues(t, 6, got.Total.Requests)
	assert.EqualValues(t, 5, report(t, c.meter(store), Query{Window: "1h"}).Total.Requests, "a third instance knows what is written")
}

// unreliable is a store whose replies are lost, and which runs changes on their own results.
type unreliable struct {
	*storage.Memory
	lost, again bool
}

func (u *unreliable) UpdateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error) {
	out, err := u.Memory.UpdateRecord(ctx, name, change)
	if u.again {
		out, err = u.Memory.UpdateRecord(ctx, name, change)
	}
	if u.lost {
		return nil, errors.New("reply lost")
	}
	return out, err
}

// An addition whose reply was lost counts once, however often it is made; what is counted
// meanwhile is added after it.
func TestLostRepliesCountOnce(t *testing.T) {
	c, store := &clock{noon}, &unreliable{Memory: storage.NewMemory(nil), lost: true, again: true}
	m := c.meter(store)
	m.Served(served("p", "m", "", 1))
	require.Error(t, m.Flush(t.Context()))
	m.Served(served("p", "m", "", 1))
	require.Error(t, m.Flush(t.Context()))
	assert.EqualValues(t, 2, report(t, m, Query{Window: "1h"}).Total.Requests)
	store.lost = false
	require.NoError(t, m.Flush(t.Context()))
	assert.EqualValues(t, 2, report(t, m, Query{Window: "1h"}).Total.Requests)
	assert.EqualValues(t, 2, report(t, c.meter(store), Query{Window: "1h"}).Total.Requests)
	assert.False(t, m.Due(c.now()), "nothing is left")
}

// It is due once a minute, as soon as there is something.
func TestDue(t *testing.T) {
	c := &clock{noon}
	m := c.meter(storage.NewMemory(nil))
	assert.False(t, m.Due(c.now()))
	due := 0
	for range 300 {
		m.Served(served("p", "m", "", 1))
		if m.Due(c.now()) {
			due++
			require.NoError(t, m.Flush(t.Context()))
		}
		c.Time = c.Add(time.Second)
	}
	assert.Equal(t, 5, due)
	assert.False(t, (*Meter)(nil).Due(noon))
}

// What was used is told by the window, from where it says, and by the day.
func TestWindows(t *testing.T) {
	c, store := &clock{noon.Add(-40 * 24 * time.Hour)}, storage.NewMemory(nil)
	m := c.meter(store)
	for c.Before(noon) { // one every ten minutes, for 40 days
		m.Served(served("p", "m", "", 1))
		if c.Hour()%3 == 0 && c.Minute() == 0 {
			require.NoError(t, m.Flush(t.Context()))
		}
		c.Time = c.Add(10 * time.Minute)
	}
	for window, want := range map[string]struct{ least, most int64 }{"1h": {6, 7}, "24h": {144, 150}, "30d": {30 * 144, 31 * 144}} {
		require.NoError(t, m.Flush(t.Context()))
		for _, instance := range []*Meter{m, c.meter(store)} {
			got := report(t, instance, Query{Window: window})
			assert.GreaterOrEqual(t, got.Total.Requests, want.least, window)
			assert.LessOrEqual(t, got.Total.Requests, want.most, window)
			assert.InDelta(t, float64(got.To.Sub(got.From)/(10*time.Minute)), float64(got.Total.Requests), 8, "%s says from when", window)
		}
	}
	days := report(t, m, Query{Window: "30d", By: []string{"day"}})
	require.Len(t, days.Rows, 31)
	assert.Equal(t, "2026-11-28", days.Rows[0].Day, "newest first")
	for _, row := range days.Rows[1:30] {
		assert.Contains(t, []int64{144, 150, 138}, row.Requests, row.Day) // 25 hours on 1 November
	}
}

// A record is bounded, whatever there is to tell apart, and its sums stay exact.
func TestBounds(t *testing.T) {
	race.Skip(t)
	c, store := &clock{noon}, storage.NewMemory(nil)
	meters := []*Meter{c.meter(store), c.meter(store), c.meter(store)}
	var tokens int64
	for i := range 12_000 {
		a := served(fmt.Sprintf("a-project-with-a-long-name-%d", i%1000), fmt.Sprintf("gemini-%d", i%7), fmt.Sprintf("caller-%d", i%12), int64(i))
		tokens += a.Input
		meters[i%3].Served(a)
		if i%2000 == 1999 {
			require.NoError(t, meters[i%3].Flush(t.Context()))
			c.Time = c.Add(time.Minute)
		}
	}
	for _, m := range meters {
		require.NoError(t, m.Flush(t.Context()))
	}
	data, err := store.Record(t.Context(), recordOf(scheduler.DayOf(scheduler.At(c.Time))))
	require.NoError(t, err)
	assert.LessOrEqual(t, len(data), MaxBytes)
	got := report(t, c.meter(store), Query{Window: "24h", By: []string{"caller", "model"}})
	assert.EqualValues(t, 12_000, got.Total.Requests)
	assert.Equal(t, tokens, got.Total.Input)
	assert.Len(t, got.Rows, 12*7, "callers and models are the last that are given up")
}

// A record that has become a later day's is left alone by who comes a month late, and the
// rest of a ring ago is gone.
func TestRing(t *testing.T) {
	c, store := &clock{noon.Add(-ring * 24 * time.Hour)}, storage.NewMemory(nil)
	late := c.meter(store)
	late.Served(served("p", "m", "", 1))
	c.Time = noon
	m := c.meter(store)
	m.Served(served("p", "m", "", 1))
	require.NoError(t, m.Flush(t.Context()))
	require.NoError(t, late.Flush(t.Context()))
	got := report(t, c.meter(store), Query{Window: "30d", By: []string{"day"}})
	require.Len(t, got.Rows, 1)
	assert.Equal(t, "2026-11-28", got.Rows[0].Day)
}

func TestQuantiles(t *testing.T) {
	var h Histogram
	assert.Zero(t, h.Quantile(0.5))
	for i := range 1000 {
		h.add(time.Duration(i) * 10 * time.Millisecond)
	}
	h.add(0)
	text, err := json.Marshal(h)
	require.NoError(t, err)
	var back Histogram
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, h, back)
	assert.InEpsilon(t, 5*time.Second, back.Quantile(0.5), 0.1)
	assert.InEpsilon(t, 9500*time.Millisecond, back.Quantile(0.95), 0.1)
	for _, bad := range []string{`[1]`, `[-1,1]`, `[999,1]`, `[1,-1]`, `{}`} {
		assert.Error(t, json.Unmarshal([]byte(bad), new(Histogram)), bad)
	}
}

func TestServe(t *testing.T) {
	c := &clock{noon}
	m := c.meter(storage.NewMemory(nil))
	m.Served(served("p", "m", "alice", 1))
	m.Served(served("p", "=cmd()", "bob", 1))
	get := func(query, accept, caller string, all bool) (*httptest.ResponseRecorder, error) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/usage?"+query, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		return w, m.Serve(w, r, caller, all)
	}
	w, err := get("by=caller", "", "alice", false)
	require.NoError(t, err)
	var out Report
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out))
	require.Len(t, out.Rows, 1, "a caller sees its own")
	assert.Equal(t, "alice", out.Rows[0].Caller)
	assert.EqualValues(t, 1, out.Total.Requests)

	for _, c := range []struct{ query, accept string }{{"by=model,caller&format=csv", ""}, {"by=model,caller", "text/csv"}} {
		w, err := get(c.query, c.accept, "root", true)
		require.NoError(t, err)
		assert.Equal(t, "text/csv; charset=utf-8", w.Header().Get("Content-Type"))
		lines, err := csv.NewReader(w.Body).ReadAll()
		require.NoError(t, err)
		require.Len(t, lines, 3)
		assert.Equal(t, "day,project,model,caller,requests,refused,failed,input_tokens,output_tokens,thought_tokens,cached_tokens,tool_tokens,unmetered,dollars,unpriced,wait_p50,wait_p95,answer_p50,answer_p95", strings.Join(lines[0], ","))
		assert.Equal(t, []string{"", "", "'=cmd()", "bob", "1"}, lines[1][:5], "no spreadsheet runs a model's name")
	}
	for _, query := range []string{"window=2h", "by=key", "format=xml"} {
		_, err := get(query, "", "root", true)
		assert.Error(t, err, query)
	}
}

// The last refusals and failures of all instances are kept, so many and no more, and of each
// what it takes to find it again.
func TestTroubles(t *testing.T) {
	c, store := &clock{noon}, storage.NewMemory(nil)
	a, b := c.meter(store), c.meter(store)
	for i := range 70 {
		ctx := requestid.With(t.Context(), fmt.Sprint("id", i), "/generate")
		if i%2 == 0 {
			a.Refused(ctx, For{"p", "m", "alice"}, "rpm", 41*time.Second)
		} else {
			b.Failed(ctx, For{"", "m", "bob"}, "server")
		}
		c.Time = c.Add(time.Second)
	}
	require.NoError(t, b.Flush(t.Context()))
	last, err := a.Last(t.Context())
	require.NoError(t, err)
	require.Len(t, last, mostTroubles)
	assert.Equal(t, Trouble{At: noon.Add(69 * time.Second), ID: "id69", Route: "/generate", Caller: "bob", Model: "m", Cause: "server"}, last[0])
	assert.Equal(t, Trouble{At: noon.Add(68 * time.Second), ID: "id68", Route: "/generate", Caller: "alice", Model: "m", Cause: "rpm", Wait: 41}, last[1])
	require.NoError(t, a.Flush(t.Context()))
	c.Time = c.Add(readFor)
	others, err := b.Last(t.Context())
	require.NoError(t, err)
	assert.Equal(t, last, others)
	require.Equal(t, last, func() []Trouble { last, _ := c.meter(store).Last(t.Context()); return last }())
}

// What was read is kept within a bound, whatever the records: the day at hand always, of the
// others those that were read last.
func TestReadingsAreBounded(t *testing.T) {
	m := New(Options{})
	now := time.Date(2026, 11, 29, 20, 0, 0, 0, time.UTC)
	today := scheduler.DayOf(scheduler.At(now))
	for back := range scheduler.Day(ring - 1) {
		m.keep(today-back, reading{at: now.Add(time.Duration(back) * time.Second), doc: new(document), bytes: MaxBytes})
		total := 0
		for _, r := range m.read {
			total += r.bytes
		}
		assert.LessOrEqual(t, total, maxRead)
		assert.Contains(t, m.read, today-back)
		assert.NotContains(t, m.read, today-back+maxRead/MaxBytes, "read first")
	}
	m.keep(today, reading{at: now, doc: new(document), bytes: maxRead + 1})
	assert.Len(t, m.read, 1, "the day at hand, however large")
	for back := range scheduler.Day(ring - 1) {
		m.keep(today-back, reading{at: now, doc: new(document), bytes: maxRead / ring})
	}
	assert.Len(t, m.read, ring-1, "a month as most deployments have it")
	m.keep(today+5, reading{at: now.AddDate(0, 0, 5), doc: new(document)})
	assert.NotContains(t, m.read, today-ring+2, "past the ring")
}
