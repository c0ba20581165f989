package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// messagesFile is the table of what callers can be told, one a line: the code, which says in whose
// power it is, the package, and the text, in which … stands for what the code puts there.
const messagesFile = "testdata/messages.txt"

// next are words of which a message has one, by its code: those that say what to do next.
var next = map[string][]string{
	"InvalidArgument": {"want", "send", "Send", "name", "say", "put", "leave", "Leave", "Make", "pass", "can't be", "isn't served", "it leaves", "itself", "enabled", "nearest", "there is no", "no model", "give", "takes", "Did you mean", "…"},
	"Unavailable":     {"retry", "again", "wait", "…"},
	"NoUsableKey":     {"/status", "operator", "…"},
	"Unguarded":       {"FLUXGATE_", "…"},
	"Internal":        {"log"},
	"TimedOut":        {"FLUXGATE_", "longer"},
}

// What callers are told is in one table, so that a new message is read beside the others: it says
// what happened, its code in whose power it is, and itself or its code what to do next. What refusals
// say that a wait mends is tested in internal/apierror, the messages of settings in internal/config,
// and those of the command line in cmd/fluxgate.
func TestMessages(t *testing.T) {
	found := messages(repository(t))
	text, err := os.ReadFile(messagesFile)
	require.NoError(t, err)
	listed := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, m := range found {
		if !slices.Contains(listed, m) {
			t.Errorf("a message that isn't in %s. Does it say what happened, and what to do next? Then write it there:\n%s", messagesFile, m)
		}
		columns := strings.SplitN(m, " | ", 3)
		code, words := columns[0], columns[2]
		if wants := next[code]; wants != nil && !slices.ContainsFunc(wants, func(word string) bool { return strings.Contains(words, word) }) {
			t.Errorf("it doesn't say what to do next, by any of %q: %s", wants, m)
		}
	}
	for _, m := range listed {
		if !slices.Contains(found, m) {
			t.Errorf("nobody is told this any more: take it out of %s: %s", messagesFile, m)
		}
	}
	assert.True(t, slices.IsSorted(listed), "%s is sorted", messagesFile)
}

// messages returns what the code of the module makes problems of package apierror with.
func messages(all tree) (found []string) {
	for dir, files := range all {
		for _, f := range files {
			if f.isTest() {
				continue
			}
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				code, words := problem(n)
				if words != nil {
					found = append(found, fmt.Sprintf("%s | %s | %s", code, path.Base(dir), textOf(words)))
				}
				return true
			})
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// problem returns the code and the text of a problem that is made here; nil: none is.
func problem(n ast.Node) (code string, words ast.Expr) {
	switch n := n.(type) {
	case *ast.CallExpr:
		s, ok := n.Fun.(*ast.SelectorExpr)
		if !ok || nameOf(s.X) != "apierror" || len(n.Args) != 2 {
			return "", nil
		}
		switch s.Sel.Name {
		case "New":
			return nameOf(n.Args[0]), n.Args[1]
		case "Invalid":
			return "InvalidArgument", &ast.BinaryExpr{X: n.Args[0], Op: token.ADD, Y: &ast.BinaryExpr{X: &ast.BasicLit{Kind: token.STRING, Value: `": "`}, Op: token.ADD, Y: n.Args[1]}}
		}
	case *ast.CompositeLit:
		if name := nameOf(n.Type); name != "Problem" {
			return "", nil
		}
		for _, e := range n.Elts {
			if pair, ok := e.(*ast.KeyValueExpr); ok {
				switch nameOf(pair.Key) {
				case "Code":
					code = nameOf(pair.Value)
				case "Public":
					words = pair.Value
				}
			}
		}
		return code, words
	}
	return "", nil
}

// nameOf is the name that an expression ends in.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return "…"
}

// textOf is a text, in which … stands for what isn't known before it runs.
func textOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return strings.NewReplacer("\n", " ", "%s", "…", "%d", "…", "%q", "…").Replace(s)
		}
	case *ast.BinaryExpr:
		return strings.ReplaceAll(textOf(e.X)+textOf(e.Y), "……", "…")
	case *ast.CallExpr:
		if nameOf(e.Fun) == "Sprintf" && len(e.Args) > 0 {
			return textOf(e.Args[0])
		}
	}
	return "…"
}
