package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// write makes a module of files, whose names are paths.
func write(t *testing.T, files map[string]string) tree {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	made, err := readTree(dir)
	require.NoError(t, err)
	return made
}

func source(pkg string, imports ...string) string {
	var b strings.Builder
	b.WriteString("package " + pkg + "\n")
	for _, p := range imports {
		b.WriteString("import _ \"" + strings.Replace(p, "~", module, 1) + "\"\n")
	}
	return b.String()
}

// Each case breaks one rule of the repository, or shows what the rule must leave alone.
func TestImportRulesBite(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string // part of the only line; empty if there must be none
	}{
		"scheduler imports a library": {
			map[string]string{"scheduler/a.go": source("scheduler", "golang.org/x/sync/errgroup")},
			"scheduler/a.go must not import golang.org/x/sync/errgroup",
		},
		"scheduler imports one of ours": {
			map[string]string{"scheduler/a.go": source("scheduler", "~/internal/config")},
			"scheduler/a.go must not import fluxgate.dev/fluxgate/internal/config",
		},
		"scheduler does input and output": {
			map[string]string{"scheduler/a.go": source("scheduler", "os/exec")},
			"scheduler/a.go must not import os/exec",
		},
		"scheduler is split, and tested with a library": {
			map[string]string{
				"scheduler/a.go":      source("scheduler", "~/scheduler/b", "time"),
				"scheduler/b/b.go":    source("b", "sort"),
				"scheduler/a_test.go": source("scheduler", "pgregory.net/rapid", "testing", "os"),
			},
			"",
		},
		"storage imports the server through another package": {
			map[string]string{
				"storage/a.go":         source("storage", "~/internal/other"),
				"internal/other/a.go":  source("other", "~/internal/server"),
				"internal/server/a.go": source("server"),
			},
			"storage must not import internal/server (storage imports internal/other imports internal/server)",
		},
		"a package below storage is bound too": {
			map[string]string{"storage/firestore/a.go": source("firestore", "~/internal/keys")},
			"storage/firestore must not import internal/keys",
		},
		"storage imports scheduler": {
			map[string]string{"storage/a.go": source("storage", "~/scheduler", "cloud.google.com/go/firestore")}, "",
		},
		"admission imports more than its two": {
			map[string]string{"internal/admission/a.go": source("admission", "~/scheduler", "~/storage", "~/internal/config")},
			"internal/admission must not import internal/config",
		},
		"keys imports scheduler": {
			map[string]string{"internal/keys/a.go": source("keys", "~/scheduler")}, "internal/keys must not import scheduler",
		},
		"a provider imports admission": {
			map[string]string{"internal/upstream/gemini/a.go": source("gemini", "~/internal/admission")},
			"internal/upstream/gemini must not import internal/admission",
		},
		"the simulator imports storage": {
			map[string]string{"internal/geminisim/a.go": source("geminisim", "~/storage")},
			"internal/geminisim must not import storage",
		},
		"the server imports app": {
			map[string]string{"internal/server/a.go": source("server", "~/internal/app")},
			"internal/server must not import internal/app",
		},
		"the function links the simulator through another package": {
			map[string]string{
				"function.go":             source("fluxgate", "~/internal/app"),
				"internal/app/a.go":       source("app", "~/internal/other"),
				"internal/other/a.go":     source("other", "~/internal/geminisim"),
				"internal/geminisim/a.go": source("geminisim"),
			},
			". must not import internal/geminisim (. imports internal/app imports internal/other imports internal/geminisim)",
		},
		"the function links the emulator": {
			map[string]string{
				"function.go":       source("fluxgate", "~/internal/app"),
				"internal/app/a.go": source("app", "~/internal/emulator"),
			},
			". must not import internal/emulator",
		},
		"the function links what only serve needs": {
			map[string]string{
				"function.go":       source("fluxgate", "~/internal/app"),
				"internal/app/a.go": source("app", "~/internal/devserver"),
			},
			". must not import internal/devserver",
		},
		"serve and the app's tests import what the function may not": {
			map[string]string{
				"function.go":             source("fluxgate", "~/internal/app"),
				"internal/app/a.go":       source("app"),
				"internal/app/a_test.go":  source("app", "~/internal/devserver"),
				"internal/devserver/a.go": source("devserver", "~/internal/emulator", "~/internal/geminisim"),
				"cmd/fluxgate/a.go":       source("main", "~/internal/app", "~/internal/devserver"),
			},
			"",
		},
		"what only serve needs imports the app": {
			map[string]string{"internal/devserver/a.go": source("devserver", "~/internal/app")},
			"internal/devserver must not import internal/app",
		},
		"the server's tests and the server import what they may": {
			map[string]string{
				"internal/server/a.go":      source("server", "~/internal/keys", "~/internal/admission"),
				"internal/server/a_test.go": source("server", "~/internal/app"),
			},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) { assertBad(t, c.want, checkImports(write(t, c.files), imports)) })
	}
}

func TestImporterRulesBite(t *testing.T) {
	for name, c := range map[string]struct {
		path    string
		imports string
		want    string
	}{
		"the root":                {"internal/app/a.go", "~", "internal/app/a.go must not import " + module},
		"the root, by a test":     {"cmd/fluxgate/a_test.go", "~", "must not import " + module},
		"the root by its program": {"cmd/function/a.go", "~", ""},
		"the root by another":     {"cmd/fluxgate/a.go", "~", "cmd/fluxgate/a.go must not import " + module},
		"a command":               {"internal/app/a.go", "~/cmd/fluxgate", "must not import"},
		"a command by itself":     {"cmd/fluxgate/a.go", "~/cmd/fluxgate/sub", ""},
		"test code":               {"storage/a.go", "~/storage/storetest", "storage/a.go must not import"},
		"test code by a test":     {"storage/a_test.go", "~/storage/storetest", ""},
		"a test library":          {"internal/app/a.go", "github.com/stretchr/testify/require", "must not import"},
		"a test library, suite":   {"storage/storetest/a.go", "github.com/stretchr/testify/require", ""},
		"testing":                 {"internal/geminisim/a.go", "testing", "must not import testing"},
		"the emulator by a main":  {"cmd/fluxgate/a.go", "~/internal/emulator", ""},
		"the test emulator":       {"cmd/fluxgate/a.go", "~/internal/emulator/emulatortest", "must not import"},
	} {
		t.Run(name, func(t *testing.T) {
			files := write(t, map[string]string{c.path: source("p", c.imports)})
			assertBad(t, c.want, append(checkImporters(files, ends, false), checkImporters(files, testOnly, true)...))
		})
	}
}

func TestClockRuleBites(t *testing.T) {
	for name, c := range map[string]struct {
		path, text string
		want       string
	}{
		"a call":          {"scheduler/a.go", "import \"time\"\nvar x = time.Now()", "scheduler/a.go uses time.Now"},
		"a value":         {"scheduler/a.go", "import \"time\"\nvar now = time.Now", "uses time.Now"},
		"a wait":          {"scheduler/sub/a.go", "import \"time\"\nfunc f() { time.Sleep(1) }", "uses time.Sleep"},
		"another name":    {"scheduler/a.go", "import t \"time\"\nvar x = t.Since(t.Time{})", "uses time.Since"},
		"a dot":           {"scheduler/a.go", "import . \"time\"\nvar x = Now()", "with a dot"},
		"a method":        {"scheduler/a.go", "import \"time\"\nvar x = time.Time{}.After(time.Time{})", ""},
		"another package": {"scheduler/a.go", "import \"x.org/time\"\nvar x = time.Now()", ""},
		"a test":          {"scheduler/a_test.go", "import \"time\"\nvar x = time.Now()", ""},
		"elsewhere":       {"storage/a.go", "import \"time\"\nvar x = time.Now()", ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := write(t, map[string]string{c.path: "package p\n" + c.text + "\n"})
			assertBad(t, c.want, checkNoClock(files, "scheduler"))
		})
	}
}

func TestSleepRuleBites(t *testing.T) {
	for text, want := range map[string]string{
		"func f() { time.Sleep(1) }":          "internal/server/a.go uses time.Sleep",
		"func f() { <-time.After(1) }":        "uses time.After",
		"var x = time.NewTimer":               "uses time.NewTimer",
		"var x = time.Now()":                  "",
		"func f() { time.AfterFunc(1, nil) }": "",
	} {
		files := write(t, map[string]string{"internal/server/a.go": "package p\nimport \"time\"\n" + text + "\n"})
		assertBad(t, want, checkNoSleep(files, "internal/server"))
	}
}

func TestLengthRuleBites(t *testing.T) {
	lines := func(n int) string { return "package p\n" + strings.Repeat("\n", n-1) }
	files := write(t, map[string]string{"a/long.go": lines(501), "a/just.go": lines(500), "a/long_test.go": lines(900)})
	assertBad(t, "a/long.go has 501 lines", checkLength(files, 500))
}

func TestRootRuleBites(t *testing.T) {
	files := func(more ...string) tree {
		all := map[string]string{"function.go": source("fluxgate"), "internal/app/a.go": source("app")}
		for _, name := range more {
			all[name] = source("fluxgate")
		}
		return write(t, all)
	}
	assertBad(t, "", checkRoot(files(), "function.go", "fluxgate"))
	assertBad(t, "", checkRoot(files(".hidden/a.go", "testdata/a.go"), "function.go", "fluxgate"))
	assertBad(t, "function_test.go", checkRoot(files("function_test.go"), "function.go", "fluxgate"))
	assertBad(t, "of package fluxgate, not main", checkRoot(files(), "function.go", "main"))
}

func TestTopLevelRuleBites(t *testing.T) {
	assertBad(t, "", checkTopLevel([]string{"go.mod", "internal/docs/a.md", ".ci/run", ".gitignore"}, topLevel))
	assertBad(t, "docs doesn't belong", checkTopLevel([]string{"docs/a.md", "docs/b.md", "go.mod"}, topLevel))
	assertBad(t, "Makefile doesn't belong", checkTopLevel([]string{"Makefile"}, topLevel))
}

func assertBad(t *testing.T, want string, bad []string) {
	t.Helper()
	if want == "" {
		assert.Empty(t, bad)
		return
	}
	require.Len(t, bad, 1)
	assert.Contains(t, bad[0], want)
}
