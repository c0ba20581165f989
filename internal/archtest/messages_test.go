package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
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
// say that a wait mends is tested in internal/apierror.
func TestMessages(t *testing.T) {
	race.Skip(t)
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

// saidFile is the table of what those are told who set Fluxgate up or run its commands, one a line: in
// whose power it is, the package, and the text, in which … stands for what the code puts there and %w
// for what another message says.
const saidFile = "testdata/said.txt"

// powers are in whose power what a message tells may be, and words of which such a message has one:
// those that say what to do next.
var powers = map[string][]string{
	// A setting, or what stands behind it.
	"operator": {"want ", "set ", "Set ", "Did you mean", "did you mean", "FLUXGATE_", "GEMINI_", "GOOGLE_", "leave", "lower ", "save it", "use ", "there are ", "only -1", "gcloud ", "Is its name", "says why", "says which", "dropped", "Start "},
	// A command as it was written, or a file that it names.
	"user": {"want ", "Give ", "give ", "name ", "make ", "write ", "run ", "Run ", "try ", "Try ", "--", "fluxgate ", "Is it", "is it", "split ", "convert ", "mend ", "Did you mean", "did you mean", "use ", "stop ", "gcloud ", "is the URL", "says why"},
	// The machine or another program, whose own words follow.
	"outside": {"%w", "…"},
	// A message that says more has it in it.
	"part": nil,
	// Nothing is to be done: it tells how things are.
	"note": nil,
}

// speaking are the packages whose errors, warnings and notes reach who sets Fluxgate up or runs its
// commands: all of them but those that measure it.
var speaking = []string{
	"cmd/fluxgate", "internal/app", "internal/batch", "internal/batch/subtitles", "internal/callers", "internal/config", "internal/config/origins",
	"internal/cost", "internal/devserver", "internal/dotenv", "internal/keys", "internal/plaintext", "internal/quotas", "internal/remote", "internal/sharing",
	"internal/secrets", "internal/secrets/gcpsecrets", "internal/telemetry", "internal/telemetry/otlp", "internal/upstream/endpoint", "internal/usage/price", "internal/validation", "internal/wait",
}

// What settings, the start report and commands say is in one table, too.
func TestMessagesOfSettingsAndCommands(t *testing.T) {
	all, err := readOnce()
	require.NoError(t, err)
	var found []string
	for _, dir := range speaking {
		require.NotEmpty(t, all[dir], dir)
		for _, f := range all[dir] {
			if f.isTest() {
				continue
			}
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				for _, e := range said(n, dir == "cmd/fluxgate") {
					if words := textOf(e); strings.ContainsFunc(words, unicode.IsLetter) {
						found = append(found, strings.TrimPrefix(dir, "internal/")+" | "+strings.TrimSpace(words))
					}
				}
				return true
			})
		}
	}
	text, err := os.ReadFile(saidFile)
	require.NoError(t, err)
	var listed []string
	for line := range strings.Lines(string(text)) {
		power, m, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " | ")
		listed = append(listed, m)
		wants, known := powers[power]
		assert.True(t, known, "in whose power is it? %s", line)
		if !slices.Contains(found, m) {
			t.Errorf("nobody is told this any more: take it out of %s: %s", saidFile, m)
		}
		_, words, _ := strings.Cut(m, " | ")
		if wants != nil && !slices.ContainsFunc(wants, func(word string) bool { return strings.Contains(words, word) }) {
			t.Errorf("it doesn't say what to do next, by any of %q: %s", wants, m)
		}
	}
	for _, m := range found {
		if !slices.Contains(listed, m) {
			t.Errorf("a message that isn't in %s. Does it say what happened, and what to do next? Then write it there, and in whose power it is:\n%s", saidFile, m)
		}
	}
	assert.True(t, slices.IsSorted(listed), "%s is sorted by package and text", saidFile)
}

// kept are the names of variables and fields that hold what is said later.
var kept = []string{"advice", "message", "text"}

// said returns the texts of errors, warnings and lines for people that are made here, printed ones
// among them if they are asked for.
func said(n ast.Node, printed bool) (texts []ast.Expr) {
	switch n := n.(type) {
	case *ast.CallExpr:
		args := n.Args
		of := ""
		if s, ok := n.Fun.(*ast.SelectorExpr); ok {
			of = nameOf(s.X)
		}
		switch name := nameOf(n.Fun); {
		case of == "errors" && name == "New", of == "fmt" && name == "Errorf":
		case printed && of == "fmt" && strings.HasPrefix(name, "Print"):
		case slices.Contains([]string{"warn", "problem", "note", "line"}, name):
		case printed && of == "fmt" && strings.HasPrefix(name, "Fprint"), name == "append" && len(args) > 0 && nameOf(args[0]) == "warnings":
			args = args[1:]
		default:
			return nil
		}
		return args[:min(1, len(args))]
	case *ast.AssignStmt:
		for i, to := range n.Lhs {
			if len(n.Lhs) == len(n.Rhs) && slices.Contains(kept, nameOf(to)) {
				texts = append(texts, n.Rhs[i])
			}
		}
	case *ast.KeyValueExpr:
		if slices.Contains(kept, nameOf(n.Key)) {
			texts = append(texts, n.Value)
		}
	case *ast.CompositeLit:
		if nameOf(n.Type) == "Warning" && len(n.Elts) == 2 {
			texts = append(texts, n.Elts[1])
		}
	}
	return texts
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

// verb is what fmt puts a value for, but for an error that is wrapped.
var verb = regexp.MustCompile(`%[-+#0-9.\[\]]*[a-vx-zA-Z]`)

// textOf is a text, in which … stands for what isn't known before it runs.
func textOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return verb.ReplaceAllString(strings.ReplaceAll(s, "\n", " "), "…")
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
