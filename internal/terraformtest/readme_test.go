package terraformtest

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the tables of terraform/README.md anew")

const readme = folder + "/README.md"

// inputs and outputs are the tables of README.md, made from the blocks in their order.
func (m module) inputs(t *testing.T) string {
	rows := []string{"| variable | type | default | |", "| --- | --- | --- | --- |"}
	for _, b := range m.blocks {
		if b.Type != "variable" {
			continue
		}
		value := "required"
		if d, ok := b.Body.Attributes["default"]; ok {
			value = "`" + m.source(d.Expr) + "`"
		}
		kind := "`" + m.source(b.Body.Attributes["type"].Expr) + "`"
		if _, ok := b.Body.Attributes["ephemeral"]; ok {
			kind += ", ephemeral"
		}
		rows = append(rows, "| `"+b.Labels[0]+"` | "+kind+" | "+value+" | "+described(t, b.Labels[0], b.Body.Attributes["description"].Expr)+" |")
	}
	return strings.Join(rows, "\n")
}

func (m module) outputs(t *testing.T) string {
	rows := []string{"| output | |", "| --- | --- |"}
	for _, b := range m.blocks {
		if b.Type == "output" {
			rows = append(rows, "| `"+b.Labels[0]+"` | "+described(t, b.Labels[0], b.Body.Attributes["description"].Expr)+" |")
		}
	}
	return strings.Join(rows, "\n")
}

func described(t *testing.T, name string, e hcl.Expression) string {
	t.Helper()
	text := evaluate(t, e).AsString()
	assert.Regexp(t, `^[^|\n]{10,}[.]$`, text, "%s: want one description in sentences, which fits into a table", name)
	return text
}

// between puts text between the markers of a table.
func between(t *testing.T, document, table, text string) string {
	t.Helper()
	begin, end := "<!-- "+table+", made by go test ./internal/terraformtest -update -->\n", "\n<!-- end -->"
	before, rest, ok := strings.Cut(document, begin)
	require.True(t, ok, "%s has no marker of %s", readme, table)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s: the table of %s has no end", readme, table)
	return before + begin + text + end + after
}

func TestReadmeTables(t *testing.T) {
	m := readModule(t)
	have := read(t, readme)
	want := between(t, have, "Inputs", m.inputs(t))
	want = between(t, want, "Outputs", m.outputs(t))
	if *update {
		require.NoError(t, os.WriteFile(readme, []byte(want), 0o644))
		return
	}
	assert.Equal(t, want, have, "run: go test ./internal/terraformtest -update")
}

// Every variable and output has what a user is told by, and every variable is of a stated type.
func TestBlocksAreDescribed(t *testing.T) {
	seen := map[string]int{}
	for _, b := range readModule(t).blocks {
		if b.Type != "variable" && b.Type != "output" {
			continue
		}
		seen[b.Type]++
		assert.Contains(t, b.Body.Attributes, "description", "%s %s", b.Type, b.Labels[0])
		if b.Type == "variable" {
			assert.Contains(t, b.Body.Attributes, "type", b.Labels[0])
		}
	}
	assert.Greater(t, seen["variable"], 20)
	assert.Greater(t, seen["output"], 5)
}

// A variable that can be wrong is refused by a test of terraform/tests, one that can't has a type without wrong values.
func TestEveryValidationIsTested(t *testing.T) {
	tests := read(t, folder+"/tests/refused_callers.tftest.hcl") + read(t, folder+"/tests/refused_service.tftest.hcl")
	for _, b := range readModule(t).blocks {
		if b.Type != "variable" {
			continue
		}
		name, validations := b.Labels[0], 0
		for _, inner := range b.Body.Blocks {
			if inner.Type == "validation" {
				validations++
				message := evaluate(t, inner.Body.Attributes["error_message"].Expr).AsString()
				assert.True(t, strings.HasPrefix(message, name), "%s: the message doesn't begin with the variable's name: %s", name, message)
			}
		}
		refused := strings.Count(tests, "expect_failures = [var."+name+"]")
		assert.GreaterOrEqual(t, refused, validations, "%s has %d validations and %d tests of wrong values", name, validations, refused)
		if kind := b.Body.Attributes["type"]; validations == 0 {
			assert.Equal(t, "bool", hcl.ExprAsKeyword(kind.Expr), "%s has no validation", name)
		}
	}
}

// The roles that are granted are those that README.md gives a reason for.
func TestRolesAreExplained(t *testing.T) {
	role := regexp.MustCompile(`roles/[A-Za-z.]+`)
	granted, explained := map[string]bool{}, map[string]bool{}
	for _, text := range readModule(t).text {
		for _, name := range role.FindAllString(text, -1) {
			granted[name] = true
		}
	}
	_, section, ok := strings.Cut(read(t, readme), "\n## Roles\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "| ") {
			for _, name := range role.FindAllString(line, -1) {
				explained[name] = true
			}
		}
	}
	assert.NotEmpty(t, granted)
	assert.Equal(t, granted, explained)
}

// Every alert has its playbook, and every playbook its alert. The budget's is for whoever gets its mail, in which
// Google has no place for a text.
func TestPlaybooks(t *testing.T) {
	files, err := filepath.Glob(folder + "/playbooks/*.md")
	require.NoError(t, err)
	var have []string
	for _, f := range files {
		have = append(have, strings.TrimSuffix(filepath.Base(f), ".md"))
	}
	want := append(names(readModule(t).local(t, "alerts")), "uptime", "budget")
	slices.Sort(want)
	assert.Equal(t, want, have)

	// What they quote of the log is there, and the chapters that they point to as well.
	calls := logCalls(t)
	deploy := read(t, root+"/.github/deploy.md")
	for _, f := range files {
		text := read(t, f)
		for _, quote := range regexp.MustCompile("`\"([^\"]+)\"`").FindAllStringSubmatch(text, -1) {
			assert.Contains(t, calls, quote[1], f)
		}
		for _, chapter := range regexp.MustCompile(`deploy\.md,\s+"([^"]+)"`).FindAllStringSubmatch(text, -1) {
			assert.Contains(t, deploy, "\n## "+chapter[1]+"\n", f)
		}
	}
}
