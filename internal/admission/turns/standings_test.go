package turns

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/admission/fair"
	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
)

// However many models are asked for, standings are kept of few.
func TestStandingsAreBounded(t *testing.T) {
	var b Book
	in := Setting{
		Now: 1000, Rules: &scheduler.Rules{Policy: scheduler.NewPolicy(nil, nil)}, Projects: []scheduler.Candidate{{ID: "p"}},
		List: waitlist.New(time.Second), Weight: func(uint32) int64 { return 1 }, Served: new(fair.Served),
	}
	for i := range 3 * maxStandings {
		b.Standings(in, fmt.Sprint("m", i))
		assert.LessOrEqual(t, len(b.last), maxStandings)
	}
	assert.NotEmpty(t, b.last)
}

// Only what other models weigh on too, and is limited, has turns beside the model's.
func TestOnlySharedCalendarsHaveTurns(t *testing.T) {
	const model, other = "m", "other"
	search, own := scheduler.OfFeature("", "search"), scheduler.OfFeature(model, "search")
	limits := scheduler.EffectiveLimits{Limits: scheduler.Limits{RPM: scheduler.Unlimited, TPM: scheduler.Unlimited, RPD: 10}}
	in := Setting{
		Now: 1000, Rules: &scheduler.Rules{Policy: scheduler.NewPolicy(nil, nil), Specs: map[string]scheduler.Spec{search: {EffectiveLimits: limits}, own: {EffectiveLimits: limits}}},
		Projects: []scheduler.Candidate{{ID: "p"}}, List: waitlist.New(time.Second), Weight: func(uint32) int64 { return 1 }, Served: new(fair.Served),
	}
	var b Book
	also := []scheduler.Weight{{On: own}, {On: search}, {On: search}, {On: model}, {On: scheduler.OfFeature("", "images")}, {On: scheduler.OfDay(model)}, {On: other}}
	var on []string
	for _, k := range b.Turns(in, Asker{Caller: 1, Since: 1000, Began: fair.Unknown}, model, scheduler.Demand{}, also).of {
		on = append(on, k.Calendar)
	}
	assert.Equal(t, []string{model, search, other}, on)
}
