package routes

import (
	"flag"
	"os"
	"slices"
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
	want := before + begin + document(Table) + end + after
	if *write {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	assert.True(t, want == string(text), "the table has changed: write it anew with -write")
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	assert.Contains(t, string(readme), "(.github/compatibility.md#routes)", "the README leads there")
	assert.Contains(t, before, "\n## Routes\n")
}

// document returns the table in Markdown: a line for each path, with the methods that are
// treated alike, and what isn't served, by the reason.
func document(table []Route) string {
	served, reasons := new(lines), new(lines)
	for _, r := range table {
		if r.Unserved != "" && !r.Others {
			reasons.add(r.Unserved, "`"+r.Told()+"`")
			continue
		}
		served.add("`"+r.Told()+"` | "+r.counted()+" | "+r.owned()+" | "+r.passes()+" |", r.Method)
	}
	var b strings.Builder
	b.WriteString("| route | counted as | belongs to a project and a caller | passes |\n| --- | --- | --- | --- |\n")
	for i, rest := range served.text {
		b.WriteString("| " + strings.Join(served.of[i], ", ") + " " + rest + "\n")
	}
	b.WriteString("\nKnown, and answered with 501:\n\n| | |\n| --- | --- |\n")
	for i, reason := range reasons.text {
		b.WriteString("| " + strings.Join(reasons.of[i], ", ") + " | " + reason + " |\n")
	}
	return b.String()
}

// lines are texts in order, each with what is said of it.
type lines struct {
	text []string
	of   [][]string
}

func (l *lines) add(text, of string) {
	at := slices.Index(l.text, text)
	if at < 0 {
		at = len(l.text)
		l.text, l.of = append(l.text, text), append(l.of, nil)
	}
	if !slices.Contains(l.of[at], of) {
		l.of[at] = append(l.of[at], of)
	}
}

func (r Route) counted() string {
	what := "free"
	switch {
	case r.Counts == Requests && r.Each != "":
		what = "a request of its model for each of `" + r.Each + "`"
	case r.Counts == Requests:
		what = "a request of its model"
	case r.Counts == Jobs:
		what = "a job"
	}
	if r.Feature != "" {
		what += ", and of `" + r.Feature + "`"
	}
	return what
}

func (r Route) owned() string {
	switch {
	case r.Ends:
		return "what it names, which is gone then"
	case r.Names != "" && len(r.Makes) > 0:
		return "what it names, and what the answer names"
	case r.Names != "":
		return "what it names"
	case len(r.Makes) > 0:
		return "what the answer names"
	case r.Lists != "" && r.Collection() != "models":
		return "all that is listed"
	}
	return ""
}

func (r Route) passes() string {
	who := ""
	switch {
	case r.Unserved != "", r.Base == Messages:
		who = ", to other providers alone"
	case r.Others:
		who = ", to other providers too"
	}
	return r.whole() + who
}

func (r Route) whole() string {
	switch r.Flow {
	case Streams:
		return "in pieces"
	case MayStream:
		return "in pieces where it asks for that"
	case Uploads:
		return "the body as it comes"
	case Downloads:
		return "the answer as it comes"
	case Upgrades:
		return "both ways"
	}
	if r.Lists != "" && r.Names == "" && r.Collection() != "models" {
		return "the lists of all projects as one"
	}
	return "whole"
}
