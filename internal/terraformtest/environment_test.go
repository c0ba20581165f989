package terraformtest

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
)

// elsewhere are the settings that the deployment doesn't make, and why.
var elsewhere = map[string]string{
	"PORT":                    "Cloud Run sets it",
	"K_SERVICE":               "Cloud Run sets it",
	"FUNCTION_TARGET":         "Cloud Functions sets it",
	"FIRESTORE_EMULATOR_HOST": "there is the real one",
	"FLUXGATE_DEMO":           "a function has no simulator",
	"FLUXGATE_HOSTS":          "it is for a server without tokens, which a deployed one never is",
	"FLUXGATE_TOKENS":         "they are in Secret Manager",
	"FLUXGATE_ADMIN_TOKENS":   "they are in Secret Manager",
}

// Every setting of Fluxgate is made by the deployment, can be made by its variable settings, or has its reason; and the
// deployment makes none that Fluxgate doesn't have.
func TestEnvironment(t *testing.T) {
	known := map[string]bool{}
	fields := reflect.TypeFor[config.Config]()
	for i := range fields.NumField() {
		if name, _, _ := strings.Cut(fields.Field(i).Tag.Get("env"), ","); name != "" {
			known[name] = true
		}
	}
	require.Greater(t, len(known), 20)

	m := readModule(t)
	made := names(m.local(t, "environment"))
	made = append(made, settings(t, m)...)
	slices.Sort(made)
	assert.Equal(t, slices.Compact(slices.Clone(made)), made, "made twice")
	for _, name := range made {
		if name == "GOMEMLIMIT" {
			continue // Go's own
		}
		assert.True(t, known[name], "%s is no setting of Fluxgate", name)
		assert.NotContains(t, elsewhere, name)
	}
	for name := range known {
		if _, reason := elsewhere[name]; !reason {
			assert.Contains(t, made, name, "neither function.tf nor the variable settings can set it")
		}
	}
	for name := range elsewhere {
		assert.True(t, known[name], "%s is no setting of Fluxgate", name)
	}
}

// settings lists what the variable settings lets through by name.
func settings(t *testing.T, m module) []string {
	t.Helper()
	for _, b := range m.blocks {
		if b.Type != "variable" || b.Labels[0] != "settings" {
			continue
		}
		condition := m.source(b.Body.Blocks[0].Body.Attributes["condition"].Expr)
		list := regexp.MustCompile(`contains\(\[([^\]]+)\], name\)`).FindStringSubmatch(condition)
		require.NotNil(t, list, condition)
		expr, problems := hclsyntax.ParseExpression([]byte("["+list[1]+"]"), "settings", hcl.InitialPos)
		require.False(t, problems.HasErrors(), problems.Error())
		return texts(t, evaluate(t, expr))
	}
	require.Fail(t, "there is no variable settings")
	return nil
}

// The fields that are exempted from indexes are those that the store puts packed bytes into.
func TestPayloadsAreNotIndexed(t *testing.T) {
	var packed []string
	for _, field := range regexp.MustCompile(`(?m)^const \w+Field = "(\w+)"$`).FindAllStringSubmatch(read(t, root+"/storage/gcpfirestore/documents.go"), -1) {
		packed = append(packed, field[1])
	}
	require.NotEmpty(t, packed)
	call, ok := readModule(t).local(t, "unindexed").(*hclsyntax.FunctionCallExpr)
	require.True(t, ok)
	assert.ElementsMatch(t, packed, texts(t, evaluate(t, call.Args[0])))
}
