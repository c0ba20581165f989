package archtest

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testName is how a document names a test.
var testName = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")

// The page about security names for every threat the tests that hold it. They all
// exist, and no threat is without one.
func TestSecurityPageNamesItsTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, ".github", "SECURITY.md"))
	require.NoError(t, err)
	exist := make(map[string]bool)
	for _, files := range repository(t) {
		for _, f := range files {
			if !f.isTest() {
				continue
			}
			for _, d := range f.syntax.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
					exist[fn.Name.Name] = true
				}
			}
		}
	}
	named := testName.FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(named), 40)
	for _, m := range named {
		assert.True(t, exist[m[1]], "%s isn't a test of this repository", m[1])
	}
	_, threats, ok := strings.Cut(string(text), "## Threats")
	require.True(t, ok)
	rows := 0
	for line := range strings.Lines(threats) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| --- ") || strings.HasPrefix(line, "| what is tried ") {
			continue
		}
		rows++
		assert.Regexp(t, testName, line, "a threat that no test holds")
	}
	assert.Greater(t, rows, 20)
}
