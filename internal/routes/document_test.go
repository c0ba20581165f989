package routes

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var write = flag.Bool("write", false, "write the table into the document")

// The document has the table as it is. To write it there:
//
//	go test ./internal/routes -run TestDocument -write
func TestDocument(t *testing.T) {
	const file, begin, end = "../../.github/compatibility.md", "<!-- routes: made from internal/routes; its test says how -->\n", "<!-- /routes -->"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok, "%s has no place for the table", file)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no end of the table", file)
	want := before + begin + Document(Table) + end + after
	if *write {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	assert.True(t, want == string(text), "the table has changed: write it anew with -write")
}
