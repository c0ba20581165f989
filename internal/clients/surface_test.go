package clients

import (
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/nodetest"
	"fluxgate.dev/fluxgate/internal/routes"
)

// A called is a request that an SDK can make, as its source has it.
type called struct{ method, path, where string }

// standsFor says what the templates stand for that are nothing but a name, by the file of
// the Go SDK in which they are, or the last word of the function of the JavaScript one.
// All others say themselves where they lead.
var standsFor = map[string][]string{
	"caches":    {"cachedContents/x"},
	"documents": {"fileSearchStores/x/documents/y"},
	"stores":    {"fileSearchStores/x"},
	"models":    {"models/x", "tunedModels/x"},
	"tunings":   {"tunedModels/x"},
	"operations": {
		"models/x/operations/y", "operations/x", "fileSearchStores/x/operations/y", "fileSearchStores/x/upload/operations/y",
	},
}

// expand returns the paths that a template means.
func expand(template, where string) []string {
	template, _, _ = strings.Cut(template, "?")
	switch template {
	case "{models_url}":
		return []string{"models", "tunedModels"} // by query_base
	case "{name}", "{operationName}", "{name}:cancel", "{model}":
		_, call, _ := strings.Cut(template, "}")
		var all []string
		for _, name := range standsFor[where] {
			all = append(all, name+call)
		}
		return all
	}
	for before, after := range map[string]string{
		"{model}": "models/x", "{parent}": "fileSearchStores/x", "{file_search_store_name}": "fileSearchStores/x",
	} {
		template = strings.Replace(template, before, after, 1)
	}
	return []string{regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(template, "x")}
}

// The sockets that a source opens, and how it spells a method that it computes.
var (
	socket = regexp.MustCompile("ws/google\\.ai\\.generativelanguage\\.[^./]+\\.GenerativeService\\.(\\w+|%s|\\$\\{method\\})[\"?]")
	bidi   = regexp.MustCompile(`['"](Bidi\w+)['"]`)
)

// socketCalls returns the sockets that an SDK's source opens, for every version: which one is
// its user's to say. A method that is computed is any of those that the source spells.
func socketCalls(t *testing.T, source string) (all []called) {
	t.Helper()
	var methods []string
	for _, m := range socket.FindAllStringSubmatch(source, -1) {
		if !strings.ContainsAny(m[1], "%$") {
			methods = append(methods, m[1])
			continue
		}
		for _, spelled := range bidi.FindAllStringSubmatch(source, -1) {
			methods = append(methods, spelled[1])
		}
	}
	assert.Subset(t, methods, []string{"BidiGenerateContent", "BidiGenerateContentConstrained"}, "the source is read wrongly")
	for _, method := range methods {
		for _, version := range routes.Versions {
			all = append(all, called{http.MethodGet, "ws/google.ai.generativelanguage." + version + ".GenerativeService." + method, "live"})
		}
	}
	return all
}

// goCalls reads what Google's SDK for Go can call from its source in the module cache.
func goCalls(t *testing.T) (all []called) {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/genai").Output()
	require.NoError(t, err)
	live, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "live.go"))
	require.NoError(t, err)
	all = socketCalls(t, string(live))
	for _, sub := range []string{".", "interactions"} {
		files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), sub, "*.go"))
		require.NoError(t, err)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(filepath.Base(name), "replay") {
				continue
			}
			file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, 0)
			require.NoError(t, err)
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Body == nil {
					continue
				}
				all = append(all, callsIn(f, whereOf(filepath.Base(name)))...)
			}
		}
	}
	return all
}

// whereOf is under what name a file's templates are known in standsFor.
func whereOf(file string) string {
	if file == "filesearchstores.go" {
		return "stores"
	}
	return strings.TrimSuffix(file, ".go")
}

// callsIn returns what a function calls: the last template that it formats, which is that
// of the Gemini API where there is one for another backend too, by each method that it
// sends.
func callsIn(f *ast.FuncDecl, where string) (all []called) {
	var templates, methods []string
	ast.Inspect(f.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		var texts []string
		for _, arg := range call.Args {
			switch a := arg.(type) {
			case *ast.BasicLit:
				if text, err := strconv.Unquote(a.Value); err == nil {
					texts = append(texts, text)
				}
			case *ast.SelectorExpr:
				if name, ok := strings.CutPrefix(a.Sel.Name, "Method"); ok {
					texts = append(texts, strings.ToUpper(name))
				}
			}
		}
		switch name := nameOf(call.Fun); {
		case len(texts) == 0:
		case name == "formatMap" || name == "InternalFormatMap" || name == "GenerateURL":
			templates = append(templates, texts[0])
		case name == "Sprintf" && strings.Contains(texts[0], "files/%s"):
			// Downloads, and uploads to environments, aren't generated.
			text := strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(texts[0], "%s/"), "%s/"), "upload/%s/", "/upload/{api_version}/")
			templates = append(templates, strings.ReplaceAll(text, "%s", "x"))
		case name == "sendRequest" || name == "sendStreamRequest" || name == "NewRequestWithContext":
			methods = append(methods, texts[0])
		}
		if nameOf(call.Fun) == "downloadFile" {
			methods = append(methods, http.MethodGet)
		}
		return true
	})
	if len(templates) == 0 || len(methods) == 0 || templates[len(templates)-1] == "None" {
		return nil
	}
	template := strings.TrimPrefix(strings.Replace(strings.TrimPrefix(templates[len(templates)-1], "/"), "{api_version}", "v1beta", 1), "v1beta/")
	for _, path := range expand(template, where) {
		all = append(all, called{methods[0], path, where + ": " + f.Name.Name})
	}
	return all
}

func nameOf(fun ast.Expr) string {
	switch f := fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.IndexExpr:
		return nameOf(f.X)
	}
	return ""
}

// holds holds the table to what an SDK can call: each is served, or answered by name.
func holds(t *testing.T, calls []called) (unserved []string) {
	t.Helper()
	mux := http.NewServeMux()
	for _, shape := range routes.Shapes(routes.Table) {
		for _, root := range shape.Base.Roots() {
			mux.HandleFunc(root+shape.Pattern, func(w http.ResponseWriter, r *http.Request) {
				row, _, _ := shape.Find(r.Method, r.PathValue)
				if row == nil {
					return
				}
				w.Header().Set("Path", row.Path)
				if !row.Others {
					w.Header().Set("Unserved", row.Unserved)
				}
			})
		}
	}
	for _, c := range calls {
		path := "/v1beta/" + strings.TrimPrefix(c.path, "/")
		if strings.HasPrefix(c.path, "/") {
			path = c.path
		}
		for _, apart := range []string{"upload/", "ws/"} {
			if strings.HasPrefix(c.path, apart) {
				path = "/" + c.path
			}
		}
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), c.method, path, nil))
		assert.NotEmpty(t, rec.Header().Get("Path"), "%s: %s %s isn't in the table", c.where, c.method, path)
		if rec.Header().Get("Unserved") != "" {
			unserved = append(unserved, c.method+" "+path)
		}
	}
	return unserved
}

// The table has every method that Google's SDK for Go can call.
func TestGoCallsAreInTheTable(t *testing.T) {
	calls := goCalls(t)
	calls = append(calls, called{http.MethodGet, "fileSearchStores/x/media/y", "stores: DownloadMedia"}) // its URI says where
	assert.Greater(t, len(calls), 70, "fewer than there are: the source is read wrongly")
	for _, want := range []called{
		{"POST", "models/x:generateContent", ""}, {"POST", "models/x:streamGenerateContent", ""}, {"GET", "batches/x", ""}, {"POST", "batches/x:cancel", ""},
		{"POST", "upload/v1beta/files", ""}, {"POST", "upload/v1beta/fileSearchStores/x:uploadToFileSearchStore", ""}, {"GET", "files/x:download", ""},
		{"PATCH", "cachedContents/x", ""}, {"DELETE", "interactions/x", ""}, {"POST", "interactions/x/cancel", ""}, {"PUT", "upload/v1beta/environments/x/files/x", ""},
	} {
		assert.True(t, slices.ContainsFunc(calls, func(c called) bool { return c.method == want.method && c.path == want.path }), "%v wasn't found in the source", want)
	}
	t.Logf("%d calls, of which not served: %s", len(calls), strings.Join(holds(t, calls), ", "))
}

// The table has every method that Google's SDK for JavaScript can call.
func TestJavaScriptCallsAreInTheTable(t *testing.T) {
	nodetest.Install(t)
	source, err := os.ReadFile("js/node_modules/@google/genai/dist/node/index.mjs")
	require.NoError(t, err)
	var (
		class     = regexp.MustCompile(`^class (\w+)`)
		backend   = regexp.MustCompile(`const body = \w+To(Vertex|Mldev)\(|isVertexAI\(\)\) \{`)
		formatted = regexp.MustCompile(`path = formatMap\('([^']+)'`)
		plain     = regexp.MustCompile("path: `([^`]+)`|path = `([^`]+)`")
		generated = regexp.MustCompile(`pathToFunc\("/\{api_version\}/([^"]+)"\)|pathToFunc\("/(upload/)\{api_version\}/([^"]+)"\)`)
		method    = regexp.MustCompile(`(?:httpMethod: '|method: ")([A-Z]+)`)
		where     string
		vertex    bool
		pending   string
		calls     = socketCalls(t, string(source))
	)
	for line := range strings.Lines(string(source)) {
		if m := class.FindStringSubmatch(line); m != nil {
			where = map[string]string{"Caches": "caches", "Documents": "documents", "FileSearchStores": "stores", "Models": "models", "Tunings": "tunings", "Operations": "operations"}[m[1]]
		}
		if m := backend.FindStringSubmatch(line); m != nil {
			vertex = m[1] != "Mldev"
		}
		switch {
		case formatted.MatchString(line) && vertex:
		case formatted.MatchString(line):
			pending = formatted.FindStringSubmatch(line)[1]
		case plain.MatchString(line) && strings.Contains(line, "${") && (strings.Contains(line, "files/") || strings.Contains(line, "upload/")):
			m := plain.FindStringSubmatch(line)
			pending = regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(m[1]+m[2], "x")
			pending = strings.Replace(pending, "upload/v1beta/x:", "upload/v1beta/fileSearchStores/x:", 1)
		case generated.MatchString(line):
			m := generated.FindStringSubmatch(line)
			pending = m[1]
			if m[2] != "" {
				pending = m[2] + "v1beta/" + m[3]
			}
		}
		if m := method.FindStringSubmatch(line); m != nil && pending != "" {
			for _, path := range expand(pending, where) {
				calls = append(calls, called{m[1], path, where})
			}
			pending = ""
		}
	}
	assert.Greater(t, len(calls), 60, "fewer than there are: the source is read wrongly")
	for _, want := range []string{"POST models/x:generateContent", "GET batches/x", "GET files/x:download", "POST fileSearchStores/x:importFile", "DELETE interactions/x", "PATCH webhooks/x", "GET ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateMusic"} {
		assert.True(t, slices.ContainsFunc(calls, func(c called) bool { return fmt.Sprint(c.method, " ", c.path) == want }), "%s wasn't found in the source", want)
	}
	t.Logf("%d calls, of which not served: %s", len(calls), strings.Join(holds(t, calls), ", "))
}

// clientCall is how OpenAI's and Anthropic's SDKs call a path, which begins with the version or below it.
var clientCall = regexp.MustCompile("_client\\.(get|getAPIList|post|put|patch|delete)\\(\\s*(?:\\(0, \\w+\\.path\\) |path )?[`'\"](?:/v1)?/([^`'\"?]+)")

// The table has every method that OpenAI's and Anthropic's SDKs for JavaScript can call: whatever is kept in one of several
// organisations belongs to whom made it, or is refused by name.
func TestOthersCallsAreInTheTable(t *testing.T) {
	nodetest.Install(t)
	for dir, c := range map[string]struct {
		root   string
		least  int
		want   []string
		served []string // collections of which all is served
	}{
		"openai": {"/openai/v1/", 130, []string{
			"POST chat/completions", "GET chat/completions", "DELETE chat/completions/x", "POST responses/compact", "GET responses/x/input_items", "POST uploads/x/complete", "GET vector_stores/x/files/x/content",
		}, []string{"chat", "responses", "conversations", "embeddings", "images", "audio", "files", "uploads", "batches", "vector_stores", "containers"}},
		"@anthropic-ai/sdk": {"/anthropic/v1/", 90, []string{
			"POST messages", "POST messages/count_tokens", "GET messages/batches/x", "POST messages/batches/x/cancel", "GET files/x/content", "GET models/x",
		}, []string{"messages", "files", "models"}},
	} {
		var calls []called
		require.NoError(t, filepath.WalkDir("js/node_modules/"+dir+"/resources", func(name string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, ".js") {
				return err
			}
			source, err := os.ReadFile(name)
			for _, m := range clientCall.FindAllStringSubmatch(string(source), -1) {
				method := strings.ToUpper(strings.Replace(m[1], "getAPIList", "get", 1))
				if strings.HasSuffix(m[2], "/search") {
					method = http.MethodPost // of this list it is said behind the path
				}
				calls = append(calls, called{method, c.root + regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(m[2], "x"), name})
			}
			return err
		}))
		assert.Greater(t, len(calls), c.least, "fewer than there are: the source is read wrongly")
		for _, want := range c.want {
			assert.True(t, slices.ContainsFunc(calls, func(x called) bool { return x.method+" "+strings.TrimPrefix(x.path, c.root) == want }), "%s wasn't found in the source", want)
		}
		unserved := holds(t, calls)
		for _, x := range unserved {
			_, path, _ := strings.Cut(x, c.root)
			collection, _, _ := strings.Cut(path, "/")
			assert.NotContains(t, c.served, collection, x)
		}
		t.Logf("%s: %d calls, of which not served: %s", dir, len(calls), strings.Join(unserved, ", "))
	}
}
