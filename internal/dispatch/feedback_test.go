package dispatch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// calls are the kinds of calls that the table tells apart.
var calls = map[string]*Call{
	"plain":   {textOnly: true, features: func() []string { return nil }},
	"feature": {textOnly: true, features: func() []string { return []string{"google_search"} }},
	"content": {features: func() []string { return nil }},
}

// errorsOf are an error of every class, and of every reason that makes a difference.
func errorsOf() []*upstream.Error {
	var list []*upstream.Error
	for c := upstream.ClassDay; c <= upstream.ClassProject; c++ {
		list = append(list, &upstream.Error{Class: c})
	}
	return append(list, &upstream.Error{Class: upstream.ClassDenied, Reason: upstream.ReasonPermission})
}

// Everything that upstream can say is in the table once, and nothing else is.
func TestTheTableIsComplete(t *testing.T) {
	found := make(map[refusal]bool)
	for _, e := range errorsOf() {
		for kind, c := range calls {
			what := c.refusalOf(e)
			found[what] = true
			assert.Contains(t, lessons, what, "%v to %s", e, kind)
		}
	}
	for what, l := range lessons {
		assert.True(t, found[what], "nothing leads to %q", what)
		assert.NotEmpty(t, l.concerns, what)
		assert.NotEmpty(t, l.then, what)
		assert.NotEmpty(t, l.told, what)
	}
}

// What a scope allows: nothing is kept of what concerns a request or its caller, and
// whatever else is kept ends.
func TestALessonIsKeptNoWiderThanItsScope(t *testing.T) {
	spans := map[scope][]span{
		thisRequest:  {notAtAll},
		thisCaller:   {notAtAll},
		oneFeature:   {pausing},
		oneModel:     {untilMidnight, asTold, growing, someMinutes, aDay},
		wholeProject: {asTold, untilProved},
		oneKey:       {untilValid},
	}
	for what, l := range lessons {
		assert.Contains(t, spans[l.concerns], l.lasts, what)
	}
	// A request with a feature, or with content that only some may see, condemns no
	// model by a refusal that doesn't name one of its quotas.
	for _, e := range errorsOf() {
		switch e.Class {
		case upstream.ClassBare429, upstream.ClassForeignQuota, upstream.ClassDenied:
			assert.Equal(t, oneFeature, lessons[calls["feature"].refusalOf(e)].concerns, e)
		}
		if e.Class == upstream.ClassDenied {
			assert.Equal(t, thisRequest, lessons[calls["content"].refusalOf(e)].concerns, e)
		}
	}
	// What may have been served is resent by nobody's silence, and what is sure to be of
	// one key, project or model alone isn't counted. That a project may not use a model
	// isn't: those of one owner have the same permissions.
	for what, l := range lessons {
		assert.Equal(t, l.then == resends, what == broken, what)
		assert.Equal(t, l.then == elsewhere, l.lasts == untilMidnight || l.lasts == aDay ||
			l.lasts == untilProved || l.lasts == untilValid || what == modelUnknown, what)
	}
}

// For how long a model is left alone.
func TestBlocks(t *testing.T) {
	now := scheduler.At(time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		what  refusal
		delay time.Duration
		want  scheduler.Block
	}{
		{dayOver, 20 * time.Second, scheduler.Block{Cause: scheduler.ByDay}},
		{minuteFull, 20 * time.Second, scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(21 * time.Second)}},
		{minuteFull, time.Minute, scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(61 * time.Second)}},
		{minuteFull, 24 * time.Hour, scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(61 * time.Second), Strikes: disbelieved}},
		{minuteFull, 0, scheduler.Block{Cause: scheduler.ByBare}},
		{bare, time.Hour, scheduler.Block{Cause: scheduler.ByBare}},
		{noQuota, 27 * time.Second, scheduler.Block{Cause: scheduler.Unavailable, Until: now.Add(24 * time.Hour)}},
		{modelGone, 0, scheduler.Block{Cause: scheduler.Unavailable, Until: now.Add(24 * time.Hour)}},
		{denied, 0, scheduler.Block{Cause: scheduler.Unavailable, Until: now.Add(10 * time.Minute)}},
		{keyUnconfirmed, 0, scheduler.Block{Cause: scheduler.ByBare}},
		{bareFeature, 0, scheduler.Block{}},
		{foreignQuota, time.Hour, scheduler.Block{}},
		{callersFault, 0, scheduler.Block{}},
		{serverFailed, 0, scheduler.Block{}},
	} {
		assert.Equal(t, c.want, blockFor(lessons[c.what], &upstream.Error{RetryDelay: c.delay}, now), "%s, %v", c.what, c.delay)
	}
}

// A pause grows while a project goes on refusing, concerns those requests alone that
// have all that was refused, and is over once one is served.
func TestPauses(t *testing.T) {
	p, now := newPauses(), scheduler.At(time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC))
	said := &upstream.Error{Class: upstream.ClassBare429}
	search, maps, both := []string{"google_search"}, []string{"google_maps"}, []string{"google_maps", "google_search"}
	assert.False(t, p.any())
	for i, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour} {
		assert.True(t, p.try("alpha", search, now), "round %d", i)
		if i > 0 {
			assert.False(t, p.try("alpha", search, now), "one is tried")
		}
		p.refused("alpha", search, said, now)
		_, left := p.left("alpha", search, now)
		assert.Equal(t, want, left)
		_, left = p.left("alpha", both, now)
		assert.Equal(t, want, left, "it has that in it too")
		for _, other := range [][]string{nil, maps} {
			e, left := p.left("alpha", other, now)
			assert.Nil(t, e)
			assert.Zero(t, left)
			assert.True(t, p.try("alpha", other, now))
		}
		e, _ := p.left("beta", search, now)
		assert.Nil(t, e)
		now = now.Add(want)
	}
	assert.True(t, p.any())
	p.served("alpha", maps)
	assert.True(t, p.any(), "that proves nothing of the search")
	p.served("alpha", both)
	assert.False(t, p.any())
	// What upstream says of the time counts, within reason.
	said.RetryDelay = 41 * time.Second
	p.refused("alpha", search, said, now)
	_, left := p.left("alpha", search, now)
	assert.Equal(t, 41*time.Second, left)
}
