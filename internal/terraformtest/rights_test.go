package terraformtest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
)

// What the function's account may do is taken from it after the function is changed, not before: until then its revision
// of before starts instances, which fail without. And each of these rights is one that the function waits for.
func TestRightsAreTakenLast(t *testing.T) {
	m := readModule(t)
	waits := ""
	for _, b := range m.blocks {
		if b.Type == "resource" && b.Labels[0] == "time_sleep" && b.Labels[1] == "iam" {
			waits = m.source(b.Body.Attributes["depends_on"].Expr)
		}
	}
	require.NotEmpty(t, waits)
	rights := 0
	for _, b := range m.blocks {
		if b.Type != "resource" || !strings.HasSuffix(b.Labels[0], "_iam_member") || !strings.HasPrefix(b.Labels[1], "runtime") {
			continue
		}
		rights++
		name := strings.Join(b.Labels, ".")
		assert.Contains(t, waits, name, "the function doesn't wait for it")
		last := false
		for _, inner := range b.Body.Blocks {
			if a := inner.Body.Attributes["create_before_destroy"]; inner.Type == "lifecycle" && a != nil {
				last = evaluate(t, a.Expr).True()
			}
		}
		assert.True(t, last, "%s is taken before the function is changed", name)
	}
	assert.Equal(t, 3, rights)
}

// Names that Fluxgate keeps for callers without a token are refused in a plan: with one the function couldn't start.
func TestNamesThatNoTokenMayHave(t *testing.T) {
	m := readModule(t)
	found := 0
	for _, b := range m.blocks {
		if b.Type != "variable" || b.Labels[0] != "callers" && b.Labels[0] != "admins" {
			continue
		}
		found++
		var conditions string
		for _, inner := range b.Body.Blocks {
			conditions += m.source(inner.Body.Attributes["condition"].Expr)
		}
		for _, name := range []string{config.CallerAnonymous, config.CallerIAM, config.CallerScheduler} {
			assert.Contains(t, conditions, `"`+name+`"`, b.Labels[0])
		}
	}
	assert.Equal(t, 2, found)
}
