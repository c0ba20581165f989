package archtest

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// root is the module's, seen from the directory that the tests of this package run in.
const root = "../.."

// final lists the directories of code that the architecture consists of. A rule about one that isn't written yet holds
// once it is.
var final = []string{
	".", "cmd/fluxgate", "cmd/image", "scheduler", "storage", "storage/storetest", "internal/app", "internal/batch",
	"internal/bench", "internal/callers", "internal/config", "internal/cost", "internal/emulator", "internal/events", "internal/gate",
	"internal/gemini", "internal/geminisim", "internal/history", "internal/keys", "internal/page", "internal/policy", "internal/remote", "internal/rulebook", "internal/secrets",
	"internal/server", "internal/telemetry", "internal/terminal", "internal/validation",
}

// topLevel lists what may lie beside the dot files.
var topLevel = []string{
	"go.mod", "go.sum", "function.go", "scheduler", "storage", "cmd", "terraform", "README.md", "LICENSE", "internal",
}

const maxLines = 500

// imports point one way: scheduler <- storage <- gate <- server <- app <- function.go, cmd.
var imports = []importRule{
	{
		dir: "scheduler", standard: true,
		notStandard: []string{"os", "net", "syscall", "log", "testing", "unsafe"},
		why:         "it is pure: the standard library, without input and output",
	},
	{
		dir: "storage",
		never: []string{
			"internal/server", "internal/gate", "internal/app", "internal/gemini", "internal/geminisim", "internal/keys",
		},
		why: "a store knows calendars, not requests",
	},
	{
		dir: "internal/gate", only: []string{"scheduler", "storage"},
		why: "admission knows calendars and stores, nothing else",
	},
	{
		dir: "internal/gemini", never: []string{"storage", "scheduler", "internal/server", "internal/gate", "internal/app"},
		why: "upstream knows nothing of quota",
	},
	{
		dir: "internal/keys", never: []string{"storage", "scheduler", "internal/server", "internal/gate", "internal/app"},
		why: "keys know nothing of quota",
	},
	{
		dir: "internal/callers", never: []string{"storage", "scheduler", "internal/server", "internal/gate", "internal/app"},
		why: "who may come in knows nothing of quota",
	},
	{
		dir: "internal/policy", only: []string{"scheduler", "internal/gemini"},
		why: "it is given a store and an admission, and judges what upstream says",
	},
	{
		dir: "internal/secrets", only: []string{"internal/config"},
		why: "secrets are read for whoever asks",
	},
	{
		dir: "internal/geminisim", never: []string{"storage", "scheduler", "internal/server", "internal/gate", "internal/app"},
		why: "a simulator that shared code with what it checks would share its mistakes",
	},
	{
		dir: "internal/remote", only: []string{},
		why: "a client knows the HTTP interface, as any other client does",
	},
	{
		dir: "internal/terminal", only: []string{"internal/remote"},
		why: "it shows what a client was told",
	},
	{
		dir: "internal/batch", only: []string{"internal/remote"},
		why: "a batch needs no more than any client has",
	},
	{
		dir: "internal/telemetry", only: []string{"scheduler", "storage"},
		why: "what watches the parts is told by them, and needs none of them",
	},
	{
		dir: "internal/page", standard: true,
		why: "the page is one document without data",
	},
	{
		dir: "internal/server", never: []string{"internal/app"},
		why: "the server is given what it needs",
	},
}

// ends are imported by nobody, tests included, except as named.
var ends = map[string][]string{
	".":   nil,
	"cmd": nil,
}

// testOnly may be imported by tests and by the packages named, which are themselves for tests: neither belongs in the
// function, and .gcloudignore leaves these packages out of its source.
var testOnly = map[string][]string{
	"storage/storetest":              nil,
	"internal/emulator/emulatortest": nil,
	"internal/testlock":              nil,
	"internal/nodetest":              nil,
	"testing":                        {"storage/storetest", "internal/testlock", "internal/emulator/emulatortest", "internal/nodetest"},
	"github.com/stretchr/testify":    {"storage/storetest", "internal/emulator/emulatortest", "internal/nodetest"},
	"pgregory.net/rapid":             {"storage/storetest", "internal/emulator/emulatortest"},
	"github.com/bmatcuk/doublestar":  nil,
	"github.com/hashicorp/hcl":       nil,
	"github.com/zclconf/go-cty":      nil,
}

func repository(t *testing.T) tree {
	t.Helper()
	files, err := readTree(root)
	require.NoError(t, err)
	require.Contains(t, files, "internal/archtest", "not the module's root, so nothing would be checked")
	for _, dir := range final {
		if len(files[dir]) == 0 {
			t.Logf("%s: not written yet", dir)
		}
	}
	return files
}

func TestImports(t *testing.T) {
	files := repository(t)
	assert.Empty(t, checkImports(files, imports))
	assert.Empty(t, checkImporters(files, ends, false))
	assert.Empty(t, checkImporters(files, testOnly, true))
}

func TestSchedulerHasNoClock(t *testing.T) {
	assert.Empty(t, checkNoClock(repository(t), "scheduler"))
}

func TestFileLength(t *testing.T) {
	assert.Empty(t, checkLength(repository(t), maxLines))
}

func TestRoot(t *testing.T) {
	assert.Empty(t, checkRoot(repository(t), "function.go", "fluxgate"))
}

func TestTopLevel(t *testing.T) {
	// What is not committed yet counts, what is ignored doesn't.
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = filepath.FromSlash(root)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && strings.Contains(stderr.String(), "not a git repository") {
		t.Skip("a source archive: only a repository can tell what belongs to it")
	}
	require.NoError(t, err, stderr.String())
	paths := strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
	require.Contains(t, paths, "LICENSE", "not the repository's root, so nothing would be checked")
	assert.Empty(t, checkTopLevel(paths, topLevel))
}
