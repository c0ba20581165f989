package limits_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/scheduler/limits"
)

// The name of a calendar beside a model's says how it counts, and no other name is taken for one.
func TestBeside(t *testing.T) {
	rules := &limits.Rules{Policy: limits.NewPolicy(nil, nil)}
	const model = "azure/org/m"
	for name, want := range map[string]struct {
		told string
		spec limits.Spec
	}{
		limits.OfWindow(model, 10*time.Second): {"azure/org/m in 10s", limits.Spec{Window: 10 * time.Second}},
		limits.OfWindow(model, time.Hour):      {"azure/org/m in 1h", limits.Spec{Window: time.Hour}},
		limits.OfBucket(model, 24*time.Hour):   {"azure/org/m in 24h", limits.Spec{Window: 24 * time.Hour, Refill: true}},
		limits.OfDay(model):                    {"azure/org/m in a day", limits.Spec{Window: limits.Window, Zone: time.UTC}},
		limits.OfPlaces(model):                 {"azure/org/m at a time", limits.Spec{Window: limits.PlaceFor, AtATime: true, AtAnswer: true}},
		limits.OfUsed(model):                   {"tokens of azure/org/m as they are used", limits.Spec{Window: limits.Window, Refill: true, AtAnswer: true, InputToo: true}},
		limits.OfOutputs(model):                {"output of azure/org/m", limits.Spec{Window: limits.Window, Refill: true, AtAnswer: true}},
		limits.OfInputs(model):                 {"input of azure/org/m", limits.Spec{Window: limits.Window, Refill: true}},
		limits.OfOutputs("gemini-2.5-pro"):     {"output of gemini-2.5-pro", limits.Spec{Window: limits.Window}},
		"#window/x/azure/m":                    {"#window/x/azure/m", limits.Spec{Window: limits.Window}},
		"#window/-1/azure/m":                   {"#window/-1/azure/m", limits.Spec{Window: limits.Window}},
		limits.OfProject:                       {limits.OfProject, limits.Spec{Window: limits.Window}},
		"window/10/m":                          {"window/10/m", limits.Spec{Window: limits.Window}}, // a model of a provider of that name
	} {
		got := rules.Spec(name)
		got.EffectiveLimits = limits.EffectiveLimits{}
		assert.Equal(t, want.spec, got, name)
		assert.Equal(t, want.told, limits.NameOfCalendar(name))
	}
}
