package dispatch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch/lesson"
	"fluxgate.dev/fluxgate/internal/dispatch/weights"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// calls are the kinds of calls that the table tells apart.
var calls = map[string]*Call{
	"plain":   {textOnly: true},
	"feature": {textOnly: true, features: []string{"google_search"}},
	"content": {},
}

// errorsOf are an error of every class, and of every reason that makes a difference.
func errorsOf() []*upstream.Error {
	var list []*upstream.Error
	for c := upstream.ClassDay; c <= upstream.ClassProject; c++ {
		list = append(list, &upstream.Error{Class: c})
	}
	return append(list, &upstream.Error{Class: upstream.ClassDenied, Reason: upstream.ReasonPermission}, &upstream.Error{Class: upstream.ClassServer, Reason: upstream.ReasonNoAnswer},
		&upstream.Error{Class: upstream.ClassProject, Reason: upstream.ReasonDenied}, &upstream.Error{Class: upstream.ClassKeyInvalid, Reason: upstream.ReasonAPIOff},
		&upstream.Error{Class: upstream.ClassBilling, Reason: upstream.ReasonSpendLimit}, &upstream.Error{Class: upstream.ClassBare429, Reason: upstream.ReasonPlan})
}

// Everything that upstream can say is in the table once, and nothing else is.
func TestTheTableIsComplete(t *testing.T) {
	found := make(map[lesson.Refusal]bool)
	for _, e := range errorsOf() {
		for kind, c := range calls {
			what := c.refusalOf(e, "gemini-2.5-pro")
			found[what] = true
			assert.Contains(t, lesson.Table, what, "%v to %s", e, kind)
		}
	}
	for what, l := range lesson.Table {
		assert.True(t, found[what], "nothing leads to %q", what)
		assert.NotEmpty(t, l.Concerns, what)
		assert.NotEmpty(t, l.Then, what)
		assert.NotEmpty(t, l.Told, what)
	}
}

// What a scope allows: nothing is kept of what concerns a request or its caller, and
// whatever else is kept ends.
func TestALessonIsKeptNoWiderThanItsScope(t *testing.T) {
	spans := map[lesson.Scope][]lesson.Span{
		lesson.ThisRequest:  {lesson.NotAtAll},
		lesson.ThisCaller:   {lesson.NotAtAll},
		lesson.OneFeature:   {lesson.Pausing, lesson.AsNamed},
		lesson.OneModel:     {lesson.UntilMidnight, lesson.AsTold, lesson.Growing, lesson.OnceShown, lesson.SomeMinutes, lesson.ADay},
		lesson.WholeProject: {lesson.UntilProved, lesson.UntilValid},
		lesson.OneAccount:   {lesson.AsBilled},
		lesson.OneKey:       {lesson.UntilValid, lesson.UntilProved},
	}
	for what, l := range lesson.Table {
		assert.Contains(t, spans[l.Concerns], l.Lasts, what)
	}
	// A request with a feature, or with content that only some may see, condemns no
	// model by a refusal that doesn't name one of its quotas.
	for _, e := range errorsOf() {
		switch e.Class {
		case upstream.ClassBare429, upstream.ClassForeignQuota, upstream.ClassDenied:
			assert.Equal(t, lesson.OneFeature, lesson.Table[calls["feature"].refusalOf(e, "gemini-2.5-pro")].Concerns, e)
		}
		if e.Class == upstream.ClassDenied {
			assert.Equal(t, lesson.ThisRequest, lesson.Table[calls["content"].refusalOf(e, "gemini-2.5-pro")].Concerns, e)
		}
	}
	// What may have been served is resent by nobody's silence, and what is sure to be of
	// one key, project or model alone isn't counted. That a project may not use a model
	// isn't: those of one owner have the same permissions.
	for what, l := range lesson.Table {
		assert.Equal(t, l.Then == lesson.Resends, what == lesson.Broken, what)
		assert.Equal(t, l.Then == lesson.Elsewhere, l.Lasts == lesson.UntilMidnight || l.Lasts == lesson.ADay ||
			l.Lasts == lesson.UntilProved || l.Lasts == lesson.UntilValid || what == lesson.ModelUnknown, what)
	}
}

// For how long a model is left alone.
func TestBlocks(t *testing.T) {
	now := scheduler.At(time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		what  lesson.Refusal
		delay time.Duration
		want  scheduler.Block
	}{
		{lesson.DayOver, 20 * time.Second, scheduler.Block{Cause: scheduler.ByDay}},
		{lesson.MinuteFull, 20 * time.Second, scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(21 * time.Second)}},
		{lesson.MinuteFull, time.Minute, scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(61 * time.Second)}},
		{lesson.MinuteFull, 24 * time.Hour, scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(61 * time.Second), Strikes: lesson.Disbelieved}},
		{lesson.MinuteFull, 0, scheduler.Block{Cause: scheduler.ByBare}},
		{lesson.Bare, time.Hour, scheduler.Block{Cause: scheduler.ByBare}},
		{lesson.NoQuota, 27 * time.Second, scheduler.Block{Cause: scheduler.Unavailable, Until: now.Add(24 * time.Hour)}},
		{lesson.ModelGone, 0, scheduler.Block{Cause: scheduler.Unavailable, Until: now.Add(24 * time.Hour)}},
		{lesson.Denied, 0, scheduler.Block{Cause: scheduler.Unavailable, Until: now.Add(10 * time.Minute)}},
		{lesson.KeyUnconfirmed, 0, scheduler.Block{Cause: scheduler.ByBare}},
		{lesson.BareFeature, 40 * time.Second, scheduler.Block{Cause: scheduler.ByBare, Until: now.Add(40 * time.Second)}},
		{lesson.CallersFault, 0, scheduler.Block{}},
		{lesson.ServerFailed, 0, scheduler.Block{}},
	} {
		assert.Equal(t, c.want, lesson.BlockFor(lesson.Table[c.what], &upstream.Error{RetryDelay: c.delay}, now), "%s, %v", c.what, c.delay)
	}
}

// Whom a refusal of a feature concerns: what the quota says it is of, if that was asked
// for, else what was asked for together; one model, unless it says that all are meant.
func TestWhatARefusalSaysOfFeatures(t *testing.T) {
	now := scheduler.At(time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC))
	const model = "gemini-2.5-pro"
	paused := scheduler.Block{Cause: scheduler.ByBare, Until: now}
	day := scheduler.Block{Cause: scheduler.ByDay}
	violation := func(id string, value int64, kind upstream.Kind, feature string) upstream.Violation {
		return upstream.Violation{QuotaID: id, Value: value, Kind: kind, Foreign: true, Feature: feature}
	}
	for name, c := range map[string]struct {
		asked  []string
		said   upstream.Error
		on     string
		block  scheduler.Block
		limits scheduler.Limits
	}{
		"bare":         {[]string{"google_search"}, upstream.Error{Class: upstream.ClassBare429}, scheduler.OfFeature(model, "google_search"), paused, scheduler.Limits{}},
		"bare, to two": {[]string{"google_maps", "google_search"}, upstream.Error{Class: upstream.ClassBare429}, scheduler.OfFeature(model, "google_maps+google_search"), paused, scheduler.Limits{}},
		"the day of the project": {[]string{"google_maps", "google_search"}, upstream.Error{Class: upstream.ClassForeignQuota, Violations: []upstream.Violation{
			violation("SearchGroundingRequestsPerDayPerProject", 50, upstream.RequestsPerDay, "google_search")}},
			scheduler.OfFeature("", "google_search"), day, scheduler.Limits{RPD: 50}},
		"the minute of the model": {[]string{"google_search"}, upstream.Error{Class: upstream.ClassForeignQuota, RetryDelay: 12 * time.Second, Violations: []upstream.Violation{
			violation("GroundingRequestsPerMinutePerProjectPerModel", 5, upstream.RequestsPerMinute, "google_search")}},
			scheduler.OfFeature(model, "google_search"), scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(13 * time.Second)}, scheduler.Limits{RPM: 5}},
		"images": {[]string{"image_output"}, upstream.Error{Class: upstream.ClassForeignQuota, RetryDelay: 12 * time.Second, Violations: []upstream.Violation{
			violation("GenerateImagesPerMinutePerProjectPerModel", 10, upstream.KindUnknown, "image_output")}},
			scheduler.OfFeature(model, "image_output"), scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(13 * time.Second)}, scheduler.Limits{RPM: 10}},
		"tokens": {[]string{"google_search"}, upstream.Error{Class: upstream.ClassForeignQuota, Violations: []upstream.Violation{
			violation("GroundingTokensPerDayPerModel", 1000, upstream.TokensPerDay, "google_search")}},
			scheduler.OfFeature(model, "google_search"), day, scheduler.Limits{}},
		"none": {[]string{"google_search"}, upstream.Error{Class: upstream.ClassForeignQuota, Violations: []upstream.Violation{
			violation("SearchGroundingRequestsPerDayPerProject", 0, upstream.RequestsPerDay, "google_search")}},
			scheduler.OfFeature("", "google_search"), paused, scheduler.Limits{}},
		"of something else": {[]string{"google_search"}, upstream.Error{Class: upstream.ClassForeignQuota, Violations: []upstream.Violation{
			violation("CodeExecutionRequestsPerDayPerProjectPerModel", 7, upstream.RequestsPerDay, "")}},
			scheduler.OfFeature(model, "google_search"), day, scheduler.Limits{RPD: 7}},
		"in the message only": {[]string{"google_search"}, upstream.Error{Class: upstream.ClassForeignQuota}, scheduler.OfFeature(model, "google_search"), paused, scheduler.Limits{}},
	} {
		t.Run(name, func(t *testing.T) {
			call := &Call{Snapshot: &admission.Snapshot{Rules: new(scheduler.Rules)}, textOnly: true, features: c.asked}
			grant := &admission.Grant{Model: model, Reservation: scheduler.Reservation{Start: 7}}
			want := []scheduler.RecordRefusal{{Model: c.on, Block: c.block, Limits: c.limits, Admitted: 7}}
			assert.Equal(t, want, call.featureRefusals(grant, &c.said, lesson.Table[call.refusalOf(&c.said, model)], now))
			known := []string{}
			for _, w := range call.also(model) {
				known = append(known, w.On)
			}
			assert.Contains(t, known, c.on, "a call that is refused has looked there before")
		})
	}
}

// What failed is told apart: a caller's mistake is none of ours.
func TestFailureOf(t *testing.T) {
	for want, err := range map[string]error{
		"":                  nil,
		"invalid_argument":  apierror.Invalid("model", "want one."),
		"not_found":         fmt.Errorf("look: %w", apierror.New(apierror.NotFound, "It isn't there.")),
		"timeout":           context.DeadlineExceeded,
		"store_unavailable": storage.ErrUnavailable,
		"internal":          errors.New("unheard of"),
	} {
		assert.Equal(t, want, failureOf(err))
	}
	assert.Equal(t, "internal", failureOf(apierror.New(apierror.Internal, "Something is wrong here.")))
	assert.Equal(t, "canceled", failureOf(context.Canceled))
}

// Who doesn't say what is wanted asks a model for images for one, and other models of the chain
// for nothing beside text.
func TestImagesAreAskedForUnsaid(t *testing.T) {
	const image, text = "gemini-2.5-flash-image", "gemini-2.5-pro"
	bare := &upstream.Error{Class: upstream.ClassBare429}
	rules := &admission.Snapshot{Rules: new(scheduler.Rules)}
	c := &Call{Snapshot: rules, Models: []string{text, image}, textOnly: true, unsaid: true}
	also := new(Dispatcher).Also(c, weights.Sharing{}, scheduler.Demand{})
	assert.Empty(t, also(text))
	assert.Equal(t, []scheduler.Weight{{On: scheduler.OfFeature("", "image_output")}, {On: scheduler.OfFeature(image, "image_output"), IfKnown: true}}, also(image))
	assert.Equal(t, lesson.Bare, c.refusalOf(bare, text))
	assert.Equal(t, lesson.BareFeature, c.refusalOf(bare, image))

	c.features = []string{"google_search", "url_context"}
	assert.Equal(t, c.features, c.asks(text))
	assert.Equal(t, []string{"google_search", "image_output", "url_context"}, c.asks(image))
	assert.Equal(t, []string{"google_search", "url_context"}, c.features)

	c.features, c.unsaid = nil, false
	assert.Nil(t, new(Dispatcher).Also(c, weights.Sharing{}, scheduler.Demand{}), "it says that text is wanted")
	assert.Equal(t, lesson.Bare, c.refusalOf(bare, image))

	c.unsaid = true
	for _, other := range []string{text, "openai/gpt-image-1", "gemini-embedding-image"} {
		c.Models = []string{other}
		assert.Nil(t, new(Dispatcher).Also(c, weights.Sharing{}, scheduler.Demand{}), other)
	}
}
