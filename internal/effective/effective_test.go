package effective_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/effective"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

const (
	pro   = "gemini-2.5-pro"
	flash = "gemini-2.5-flash"
)

func load(t *testing.T, env ...string) *config.Config {
	t.Helper()
	cfg, err := config.Load(t.Context(), env)
	require.NoError(t, err)
	return cfg
}

// Each origin of the chain beats those before it.
func TestChain(t *testing.T) {
	plain, set := load(t), load(t, "FLUXGATE_CHAIN="+flash)
	discovered := storage.Control{Discovered: []string{"gemini-9-pro"}}
	atRunTime := storage.Control{Discovered: []string{"gemini-9-pro"}, Chain: []string{pro}}
	for _, c := range []struct {
		cfg     *config.Config
		control storage.Control
		first   string
		from    string
	}{
		{plain, storage.Control{}, pro, effective.ChainDefault},
		{plain, discovered, "gemini-9-pro", effective.ChainDiscovered},
		{set, discovered, flash, effective.ChainOperator},
		{set, atRunTime, pro, effective.ChainRunTime},
	} {
		chain, from := effective.Chain(c.cfg, c.control)
		assert.Equal(t, c.first, chain[0])
		assert.Equal(t, c.from, from)
		assert.Equal(t, chain, effective.Rules(c.cfg, c.control).Policy.Chain(scheduler.Both))
	}
}

// Each source of a limit beats those before it, number by number.
func TestRules(t *testing.T) {
	n := func(i int64) *int64 { return &i }
	cfg := load(t, `FLUXGATE_LIMITS={"pro":{"tpm":2000,"rpd":20}}`, "FLUXGATE_SKEW=1s", "FLUXGATE_HOLD=7s")
	rules := effective.Rules(cfg, storage.Control{
		Reported: map[string]storage.Limits{pro: {RPM: n(1), TPM: n(1000), RPD: n(10)}},
		Limits:   map[string]storage.Limits{pro: {RPD: n(30)}},
		Windows:  map[string]int64{pro: 12_345},
	})
	assert.Equal(t, scheduler.EffectiveLimits{
		Limits:  scheduler.Limits{RPM: 1, TPM: 2000, RPD: 30},
		RPMFrom: scheduler.FromReported, TPMFrom: scheduler.FromOperator, RPDFrom: scheduler.FromRunTime,
	}, rules.Policy.EffectiveLimits(pro))
	assert.Equal(t, scheduler.DefaultLimits(scheduler.Flash), rules.Policy.Limits(flash))
	assert.EqualValues(t, 12_345, rules.Policy.Window(pro))
	assert.Equal(t, cfg.Skew, rules.Skew)
	assert.Equal(t, cfg.Hold, rules.Hold)
}

// TestSessions: of every model a project has as many sessions at a time as are built in, which
// is a start, or as somebody has named.
func TestSessions(t *testing.T) {
	of := scheduler.OfFeature("gemini-3.8-live", "live")
	spec := effective.Rules(load(t), storage.Control{}).Spec(of)
	assert.Equal(t, scheduler.Limits{RPM: 3, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited}, spec.Limits)
	assert.True(t, spec.AtATime)
	assert.True(t, spec.Start && spec.RPMFrom.Start())
	assert.False(t, effective.Rules(load(t), storage.Control{}).Spec(scheduler.OfFeature("", "live")).AtATime, "it is each model's")

	set := load(t, `FLUXGATE_LIMITS={"live":{"rpm":50,"rpd":1000}}`)
	spec = effective.Rules(set, storage.Control{}).Spec(of)
	assert.Equal(t, scheduler.Limits{RPM: 50, TPM: scheduler.Unlimited, RPD: 1000}, spec.Limits)
	assert.False(t, spec.RPMFrom.Start())
	most := int64(7)
	spec = effective.Rules(set, storage.Control{Limits: map[string]storage.Limits{"live": {RPM: &most}}}).Spec(of)
	assert.EqualValues(t, 7, spec.RPM)
	assert.Equal(t, scheduler.FromRunTime, spec.RPMFrom)
}
