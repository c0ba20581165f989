package terraformtest

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/cost"
)

// What a profile has is what `fluxgate cost --profile` computes with.
func TestProfiles(t *testing.T) {
	m := readModule(t)
	found := evaluate(t, m.local(t, "profiles")).AsValueMap()
	require.Len(t, found, len(cost.Profiles()))
	conditions := len(names(m.local(t, "alerts"))) - 1 + 1 // without secret_read, which is asked for, and with the uptime check's
	for _, p := range cost.Profiles() {
		require.Contains(t, found, p.Name)
		have := found[p.Name].AsValueMap()
		number := func(name string) float64 { f, _ := have[name].AsBigFloat().Float64(); return f }
		assert.InDelta(t, p.VCPU, number("cpu"), 1e-9, p.Name)
		assert.InDelta(t, p.Concurrency, number("concurrency"), 0, p.Name)
		assert.InDelta(t, p.Least, number("min_instances"), 0, p.Name)
		assert.InDelta(t, p.Most, number("max_instances"), 0, p.Name)
		assert.InDelta(t, p.MiB, mebibytes(t, have["memory"].AsString()), 0, p.Name)
		ttl, err := time.ParseDuration(have["secrets_ttl"].AsString())
		require.NoError(t, err)
		assert.Equal(t, p.SecretsTTL, ttl, p.Name)
		if have["alerts"].True() {
			assert.Equal(t, conditions, p.Conditions, p.Name)
		} else {
			assert.Zero(t, p.Conditions, p.Name)
		}
	}
}

func mebibytes(t *testing.T, size string) float64 {
	t.Helper()
	unit := 1.0
	text, ok := strings.CutSuffix(size, "Gi")
	if ok {
		unit = 1024
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "Mi"), 64)
	require.NoError(t, err)
	return n * unit
}

// The largest body that Cloud Run lets through fits into the least memory that the
// variable takes, so that FLUXGATE_MAX_BODY need not follow it.
func TestLeastMemory(t *testing.T) {
	cfg, err := config.Load(t.Context(), nil)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, bodies.Default(128<<20/10*9), int64(cfg.LeastBodyBudget()))
	assert.Less(t, bodies.Default(120<<20/10*9), int64(cfg.LeastBodyBudget()), "else the variable could take less")
}

// counts finds what the description of the variable memory says of how many large bodies fit.
var counts = regexp.MustCompile(`(\d+)(?: body of 30 MiB)? with (\d+[MG]i)`)

// How many large bodies an instance takes at a time is as the description of the variable memory
// says, and an instance of each profile takes as many bodies of 1 MiB as it takes requests.
func TestBodiesFitTheMemory(t *testing.T) {
	m := readModule(t)
	assert.Equal(t, `"${floor(local.mebibytes * 9 / 10)}MiB"`, m.source(m.local(t, "memory_limit")))
	assert.Contains(t, m.source(m.local(t, "environment")), "GOMEMLIMIT = local.memory_limit")
	budget := func(memory string) int64 { return bodies.Default(int64(mebibytes(t, memory)*9/10) << 20) }
	var said string
	for _, b := range m.blocks {
		if b.Type == "variable" && b.Labels[0] == "memory" {
			said = evaluate(t, b.Body.Attributes["description"].Expr).AsString()
		}
	}
	found := counts.FindAllStringSubmatch(said, -1)
	require.GreaterOrEqual(t, len(found), 5, said)
	for _, c := range found {
		assert.Equal(t, c[1], strconv.FormatInt(budget(c[2])/(30<<20+bodies.Each), 10), "bodies of 30 MiB with %s", c[2])
	}
	for name, p := range evaluate(t, m.local(t, "profiles")).AsValueMap() {
		size := p.AsValueMap()
		n, _ := size["concurrency"].AsBigFloat().Int64()
		assert.GreaterOrEqual(t, budget(size["memory"].AsString()), n*(1<<20+bodies.Each), name)
	}
}
