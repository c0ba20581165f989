package terraformtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/scheduler"
)

// values are those that a field of the log is compared with, as the code has them.
var values = map[string][]string{
	"cause": {string(scheduler.ByRPD), string(scheduler.ByDay)},
}

// Every filter of a metric matches lines that the code writes: the message is one of its log calls, the fields are that
// call's, and the values are those of the code. A filter that matched nothing would be an alert that never fires.
func TestFiltersMatchTheLog(t *testing.T) {
	calls, public := logCalls(t), publicTexts(t)
	require.Greater(t, len(calls), 15)
	metrics := evaluate(t, readModule(t).local(t, "log_metrics")).AsValueMap()
	require.NotEmpty(t, metrics)
	for name, metric := range metrics {
		fields := metric.AsValueMap()
		var messages []string
		for _, group := range alternatives(fields["filter"].AsString()) {
			found := comparisons(t, group)
			require.Contains(t, found, "message", "%s: %s", name, group)
			messages = append(messages, found["message"]...)
			for _, message := range found["message"] {
				assertCalled(t, calls, name, message, found)
			}
			for field, compared := range found {
				if field == "message" {
					continue
				}
				for _, value := range compared {
					if field == "error" {
						assert.True(t, slices.ContainsFunc(public, func(s string) bool { return strings.HasPrefix(s, value) }),
							"%s: no error begins with %q", name, value)
						continue
					}
					assert.Contains(t, values[field], value, "%s: %s", name, field)
				}
			}
		}
		for _, field := range fields["labels"].AsValueMap() {
			assert.True(t, slices.ContainsFunc(messages, func(message string) bool {
				return slices.ContainsFunc(calls[message], func(attrs []string) bool { return slices.Contains(attrs, field.AsString()) })
			}), "%s: no line has the field %s of a label", name, field.AsString())
		}
	}
}

func assertCalled(t *testing.T, calls map[string][][]string, metric, message string, found map[string][]string) {
	t.Helper()
	assert.Contains(t, calls, message, metric)
	assert.True(t, slices.ContainsFunc(calls[message], func(attrs []string) bool {
		for field := range found {
			if field != "message" && !slices.Contains(attrs, field) {
				return false
			}
		}
		return true
	}), "%s: no line %q has all of %v", metric, message, found)
}

// The names that filters use are those of the log on Google Cloud.
func TestLogNames(t *testing.T) {
	var b bytes.Buffer
	log := app.NewLogger(&b, &config.Config{KService: "fluxgate", Log: true})
	log.Warn("failed", "error", errors.New("The quota store can't be reached"))
	var line map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &line))
	delete(line, "time")
	assert.Equal(t, map[string]any{"message": "failed", "severity": "WARNING", "error": "The quota store can't be reached"}, line)
}

// alternatives splits a filter at those of its ORs that are in no parentheses but around a whole alternative.
func alternatives(filter string) (all []string) {
	depth, start := 0, 0
	for i, r := range filter {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case depth == 0 && strings.HasPrefix(filter[i:], " OR "):
			all = append(all, filter[start:i])
			start = i + len(" OR ")
		}
	}
	return append(all, filter[start:])
}

var comparison = regexp.MustCompile(`jsonPayload\.([a-z_]+)(?:=|:)("[^"]*"|\((?:"[^"]*"(?: OR )?)+\))`)

// comparisons returns what the fields of a filter without alternatives are compared with.
func comparisons(t *testing.T, filter string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, c := range comparison.FindAllStringSubmatch(filter, -1) {
		for _, quoted := range regexp.MustCompile(`"[^"]*"`).FindAllString(c[2], -1) {
			text, err := strconv.Unquote(quoted)
			require.NoError(t, err)
			found[c[1]] = append(found[c[1]], text)
		}
	}
	rest := comparison.ReplaceAllString(filter, "")
	assert.Regexp(t, `^[() ]*(AND[() ]*)*$`, rest, "this part of the filter is not checked: %s", filter)
	return found
}

// logCalls returns for each message of the function's log calls the names of their attributes, a list for each call.
func logCalls(t *testing.T) map[string][][]string {
	t.Helper()
	// Which argument is the message.
	position := map[string]int{
		"Debug": 0, "Info": 0, "Warn": 0, "Error": 0, "Log": 2,
		"DebugContext": 1, "InfoContext": 1, "WarnContext": 1, "ErrorContext": 1,
	}
	calls := map[string][][]string{}
	inspect(t, func(constants map[string]string, n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		selected, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return
		}
		at, ok := position[selected.Sel.Name]
		if !ok || len(call.Args) <= at {
			return
		}
		message, ok := textOf(constants, call.Args[at])
		if !ok {
			return
		}
		var attrs []string
		for i := at + 1; i < len(call.Args); i += 2 {
			if name, ok := textOf(constants, call.Args[i]); ok {
				attrs = append(attrs, name)
			}
		}
		calls[message] = append(calls[message], attrs)
	})
	return calls
}

// publicTexts returns the texts of the server's errors, with which those in the log begin.
func publicTexts(t *testing.T) (all []string) {
	t.Helper()
	inspect(t, func(constants map[string]string, n ast.Node) {
		var elements []ast.Expr
		switch n := n.(type) {
		case *ast.CompositeLit:
			if isNamed(n.Type, "Problem") {
				elements = n.Elts
			}
		case *ast.CallExpr:
			if isNamed(n.Fun, "New") {
				elements = n.Args
			}
		}
		for _, e := range elements {
			if pair, ok := e.(*ast.KeyValueExpr); ok {
				e = pair.Value
			}
			if text, ok := textOf(constants, e); ok {
				all = append(all, text)
			}
		}
	})
	return all
}

// isNamed reports whether an expression is that name of package apierror.
func isNamed(e ast.Expr, name string) bool {
	selected, ok := e.(*ast.SelectorExpr)
	if !ok || selected.Sel.Name != name {
		return false
	}
	from, ok := selected.X.(*ast.Ident)
	return ok && from.Name == "apierror"
}

// inspect visits the code, not the tests, of what the function consists of, with the texts of each package's constants.
func inspect(t *testing.T, visit func(constants map[string]string, n ast.Node)) {
	t.Helper()
	packages := map[string][]*ast.File{}
	fset := token.NewFileSet()
	for _, dir := range []string{root + "/function.go", root + "/internal", root + "/storage"} {
		require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			packages[filepath.Dir(name)] = append(packages[filepath.Dir(name)], file)
			return err
		}))
	}
	for _, files := range packages {
		constants := map[string]string{}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == len(spec.Values) {
					for i, name := range spec.Names {
						if text, ok := textOf(nil, spec.Values[i]); ok {
							constants[name.Name] = text
						}
					}
				}
				return true
			})
		}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool { visit(constants, n); return true })
		}
	}
}

// textOf returns the text of a literal or of a constant.
func textOf(constants map[string]string, e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			return constant.StringVal(constant.MakeFromLiteral(e.Value, token.STRING, 0)), true
		}
	case *ast.Ident:
		text, ok := constants[e.Name]
		return text, ok
	}
	return "", false
}

// What Cloud Run would write into its request log of an URL with a secret in it is
// dropped, however the URL is spelled; other lines stay.
func TestSecretsStayOutOfTheRequestLog(t *testing.T) {
	secret, err := regexp.Compile(evaluate(t, readModule(t).local(t, "secret_urls")).AsString())
	require.NoError(t, err, "Cloud Logging's expressions are RE2's too")
	const host = "https://fluxgate-hash-uc.a.run.app"
	for _, url := range []string{
		"/v1beta/models?key=x", "/v1beta/models/auto:streamGenerateContent?alt=sse&key=x", "/v1beta/models?$key=x", "/v1beta/models?KEY=x", "/status?%6bey=x", "/status?%24key=x",
		"/status?a=b;access_token=x", "/status?api_key=x", "/status?oauth_token=x", "/tickets/AQAAAAHb", "/upload/v1beta/files?upload_id=x&fluxgate_claim=y", "/upload/v1beta/files?fluxgate_claim=y",
	} {
		assert.Regexp(t, secret, host+url)
	}
	for _, url := range []string{
		"", "/health", "/tickets", "/v1beta/models/auto:streamGenerateContent?alt=sse", "/v1beta/files?pageSize=10&pageToken=abc%3D", "/monkey?donkey2=key", "/v1beta/models/key=x",
	} {
		assert.NotRegexp(t, secret, host+url)
	}
}
