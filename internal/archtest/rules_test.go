package archtest

import (
	"bytes"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
)

// root is the module's, seen from the directory that the tests of this package run in.
const root = "../.."

// final lists the directories of code that the architecture consists of. A rule about one that isn't written yet holds
// once it is.
var final = []string{
	".", "cmd/fluxgate", "cmd/function", "cmd/image", "scheduler", "storage", "storage/internal/clock", "storage/internal/codec", "storage/gcpfirestore", "storage/gcpfirestore/internal/connection", "storage/internal/merge", "storage/storetest", "internal/app", "internal/batch",
	"internal/bench", "internal/budget", "internal/build", "internal/callers", "internal/config", "internal/cost", "internal/devserver", "internal/effective", "internal/emulator", "internal/events", "internal/admin",
	"internal/accounts", "internal/admission", "internal/admission/lasting", "internal/apierror", "internal/bodies", "internal/dispatch", "internal/payload", "internal/passing", "internal/payload/answers", "internal/payload/coding", "internal/payload/escape", "internal/payload/interaction", "internal/payload/sizes", "internal/payload/turns", "internal/requestid", "internal/requestlog", "internal/upstream", "internal/upstream/gemini", "internal/geminisim", "internal/history", "internal/ephemeral", "internal/keys", "internal/licenses", "internal/live", "internal/nearest", "internal/page", "internal/policy", "internal/problems", "internal/proxies", "internal/recent", "internal/remote", "internal/remote/googleid", "internal/resources", "internal/secrets",
	"internal/routes", "internal/server", "internal/telemetry", "internal/terminal", "internal/repeated", "internal/usage", "internal/usage/price", "internal/validation", "internal/wait",
	"internal/incoming", "internal/httpconn", "internal/openailist", "internal/others", "internal/payload/form", "internal/payload/references", "internal/uploadurl",
	"internal/deadline", "internal/shadow",
	"internal/openaisim", "internal/anthropicsim", "internal/simserver", "internal/simserver/simtest", "internal/simquota", "internal/inmemory", "internal/upstream/arrival", "internal/upstream/ratelimits", "internal/upstream/refusals",
}

// topLevel lists what may lie beside the dot files.
var topLevel = []string{
	"go.mod", "go.sum", "function.go", "scheduler", "storage", "cmd", "terraform", "README.md", "LICENSE", "internal",
}

const maxLines = 500

// maxPackageLines binds all code but what tests alone import.
const maxPackageLines = 2700

// tooLarge lists packages that are to be split.
var tooLarge = []string{}

// notInOrder lists packages whose files are to be brought into an order.
var notInOrder = []string{}

// notCommented lists packages whose comment is to be moved into a doc.go.
var notCommented = []string{}

// imports point one way: scheduler <- storage <- admission <- dispatch <- admin <- server <- app <- function.go, cmd;
// and payload <- upstream <- dispatch.
var imports = []importRule{
	{
		dir: "scheduler", standard: true,
		notStandard: []string{"os", "net", "syscall", "log", "testing", "unsafe"},
		why:         "it is pure: the standard library, without input and output",
	},
	{
		dir: "storage",
		never: []string{
			"internal/server", "internal/admin", "internal/dispatch", "internal/admission", "internal/app", "internal/upstream",
			"internal/geminisim", "internal/keys",
		},
		why: "a store knows calendars, not requests",
	},
	{
		dir: "storage/internal/codec", only: []string{"scheduler"},
		why: "what is stored is bytes, whatever stores them",
	},
	{
		dir: "storage/internal/merge", only: []string{"scheduler"},
		why: "two states are joined alike, whatever stores them",
	},
	{
		dir: "internal/admission", only: []string{"scheduler", "storage"},
		why: "admission knows calendars and stores, nothing else",
	},
	{
		dir: "internal/payload", only: []string{"internal/nearest"},
		why: "reading bodies is pure, so that everybody may",
	},
	{
		dir: "internal/payload/answers", only: []string{"internal/nearest", "internal/payload", "internal/payload/escape", "internal/payload/interaction"},
		why: "reading answers is as pure",
	},
	{
		dir: "internal/payload/references", only: []string{"internal/nearest", "internal/payload", "internal/payload/escape"},
		why: "finding what a body names is as pure",
	},
	{
		dir: "internal/others", never: []string{"internal/server", "internal/admin", "internal/app", "internal/upstream/gemini", "internal/upstream/endpoint"},
		why: "which provider a request goes to is known before it is relayed, and the same for all of them",
	},
	{
		dir: "internal/payload/turns", only: []string{"internal/nearest", "internal/payload", "internal/payload/escape"},
		why: "reading conversations is as pure",
	},
	{
		dir: "internal/bodies", standard: true,
		why: "bytes are bytes, whatever they are of",
	},
	{
		dir: "internal/apierror", only: []string{"scheduler", "internal/requestid", "internal/statuses"},
		why: "what a caller is answered is the same whoever found out",
	},
	{
		dir: "internal/deadline", only: []string{"internal/nearest", "scheduler", "internal/payload"},
		why: "reading headers needs little",
	},
	{
		dir: "internal/shadow", standard: true,
		why: "counting what would have been needs nothing",
	},
	{
		dir: "internal/requestlog", standard: true,
		why: "a logger in a context needs nothing",
	},
	{
		dir: "internal/statuses", standard: true,
		why: "numbers need nothing",
	},
	{
		dir: "internal/requestid", standard: true,
		why: "a name needs nothing",
	},
	{
		dir: "internal/accounts", only: []string{"scheduler"},
		why: "what is learned of billing accounts is pure",
	},
	{
		dir: "internal/events", only: []string{"internal/requestlog"},
		why: "events are kept for whoever says what happened",
	},
	{
		dir: "internal/upstream", only: []string{"internal/upstream/arrival", "internal/upstream/ratelimits", "internal/nearest", "internal/bodies", "internal/payload", "internal/payload/answers", "internal/payload/coding", "internal/payload/escape", "internal/payload/interaction", "internal/statuses"},
		why: "a provider knows nothing of quota",
	},
	{
		dir: "internal/dispatch",
		only: []string{
			"scheduler", "storage", "internal/accounts", "internal/admission", "internal/admission/lasting", "internal/apierror", "internal/bodies", "internal/budget", "internal/config", "internal/events", "internal/keys", "internal/nearest",
			"internal/payload", "internal/payload/answers", "internal/payload/coding", "internal/payload/escape", "internal/payload/interaction", "internal/payload/turns", "internal/plaintext", "internal/quotas", "internal/recent", "internal/requestid", "internal/requestlog", "internal/resources", "internal/secrets", "internal/shadow", "internal/sharing", "internal/telemetry", "internal/upstream", "internal/upstream/ratelimits", "internal/statuses", "internal/usage", "internal/usage/price",
		},
		never: []string{"internal/upstream/gemini"},
		why:   "one request's way is the same for every provider, and knows no HTTP route and no operator",
	},
	{
		dir: "internal/budget", only: []string{"internal/usage/price", "scheduler"},
		why: "what callers may spend is known whatever they ask for",
	},
	{
		dir: "internal/usage", only: []string{"internal/budget", "internal/nearest", "scheduler", "internal/apierror", "internal/payload", "internal/payload/answers", "internal/payload/escape", "internal/payload/interaction", "internal/requestid", "internal/statuses"},
		why: "what was used is told by those who know",
	},
	{
		dir: "internal/live", never: []string{"internal/server", "internal/admin", "internal/app", "internal/upstream/gemini"},
		why: "a session is relayed whoever serves the request for it",
	},
	{
		dir: "internal/ephemeral", standard: true,
		why: "a token is known by its hash, whoever asks",
	},
	{
		dir: "internal/admin", never: []string{"internal/server", "internal/app", "internal/callers", "internal/upstream/gemini"},
		why: "operators' work knows no HTTP",
	},
	{
		dir: "internal/keys", never: []string{"storage", "scheduler", "internal/server", "internal/admission", "internal/app"},
		why: "keys know nothing of quota",
	},
	{
		dir: "internal/callers", never: []string{"storage", "scheduler", "internal/server", "internal/admission", "internal/app"},
		why: "who may come in knows nothing of quota",
	},
	{
		dir: "internal/resources", only: []string{},
		why: "whose something is needs to know neither requests nor who is let in",
	},
	{
		dir: "internal/incoming", only: []string{"internal/nearest", "internal/bodies", "internal/payload", "internal/payload/answers", "internal/payload/coding", "internal/payload/escape", "internal/payload/interaction", "internal/upstream"},
		why: "an answer is read alike, whoever gets it",
	},
	{
		dir: "internal/routes", only: []string{"scheduler", "internal/apierror", "internal/requestid", "internal/statuses"},
		why: "the table of routes is values",
	},
	{
		dir: "internal/policy", only: []string{"internal/nearest", "scheduler", "internal/bodies", "internal/payload", "internal/upstream"},
		why: "it is given a store and an admission, and judges what upstream says",
	},
	{
		dir: "internal/quotas", standard: true,
		why: "what an operator names of limits is read by whoever configures, and counted by others",
	},
	{
		dir: "internal/sharing", standard: true,
		why: "which models share their limits is a table, and pure",
	},
	{
		dir: "internal/secrets", only: []string{"internal/config", "internal/nearest", "internal/plaintext", "internal/quotas", "internal/sharing", "internal/usage/price"},
		why: "secrets are read for whoever asks",
	},
	{
		dir: "internal/geminisim", never: []string{"storage", "scheduler", "internal/server", "internal/admission", "internal/app"},
		why: "a simulator that shared code with what it checks would share its mistakes",
	},
	{
		dir: "internal/geminisim/tokeniser", standard: true,
		why: "a text is counted whoever sent it",
	},
	{
		dir: "internal/geminisim/wire", only: []string{"internal/geminisim/tokeniser"},
		why: "a body is read and written whoever it is for",
	},
	{
		dir: "internal/geminisim/quota",
		only: []string{
			"internal/geminisim/credentials", "internal/geminisim/faults", "internal/geminisim/journal", "internal/geminisim/tokeniser",
			"internal/geminisim/wire",
		},
		why: "a ledger has no route and no model's answer",
	},
	{
		dir: "internal/openaisim", only: []string{"internal/inmemory", "internal/simquota", "internal/simserver"},
		why: "a simulator that shared code with what it checks would share its mistakes",
	},
	{
		dir: "internal/anthropicsim", only: []string{"internal/inmemory", "internal/simquota", "internal/simserver"},
		why: "a simulator that shared code with what it checks would share its mistakes",
	},
	{
		dir: "internal/simserver", only: []string{"internal/simquota"},
		why: "it is what simulated providers share, and knows none of them",
	},
	{
		dir: "internal/simserver/simtest", only: []string{},
		why: "it sends requests to whatever serves them",
	},
	{
		dir: "internal/simquota", standard: true,
		why: "a simulated provider counts by itself",
	},
	{
		dir: "internal/inmemory", standard: true,
		why: "a round trip needs nothing",
	},
	{
		dir: "internal/upstream/ratelimits", standard: true,
		why: "reading what a provider says of its limits needs nothing of ours",
	},
	{
		dir: "internal/upstream/arrival", only: []string{},
		why: "what a connection tells is measured, and decides nothing",
	},
	{
		dir: "internal/upstream/refusals", only: []string{"internal/upstream/ratelimits", "internal/statuses"},
		why: "reading what a provider refuses decides nothing",
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
		dir: "internal/batch", only: []string{"internal/remote", "internal/statuses"},
		why: "a batch needs no more than any client has",
	},
	{
		dir: "internal/wait", only: []string{"internal/apierror", "internal/callers", "internal/config", "internal/nearest", "internal/plaintext", "internal/proxies", "internal/quotas", "internal/recent", "internal/requestid", "internal/remote", "internal/secrets", "internal/sharing", "internal/usage/price", "scheduler", "internal/statuses"},
		why: "who waits on a caller's behalf needs no more than any client has, but for what a server on this machine guards itself by",
	},
	{
		dir: "internal/telemetry", only: []string{"scheduler", "storage", "internal/requestid"},
		why: "what watches the parts is told by them, and needs none of them",
	},
	{
		dir: "internal/proxies", standard: true,
		why: "reading headers needs nothing",
	},
	{
		dir: "internal/nearest", standard: true,
		why: "comparing paths needs nothing",
	},
	{
		dir: "internal/repeated", standard: true,
		why: "writing JSON needs nothing",
	},
	{
		dir: "internal/page", standard: true,
		why: "the page is one document without data",
	},
	{
		dir: "internal/server", never: []string{"internal/app", "internal/upstream/gemini", "internal/wait"},
		why: "the server is given what it needs, and never waits on a caller's behalf",
	},
	{
		dir: ".", never: []string{"internal/devserver", "internal/emulator", "internal/geminisim", "internal/openaisim", "internal/anthropicsim",
			"internal/simserver", "internal/simquota", "internal/inmemory", "internal/wait", "internal/batch", "internal/bench", "internal/cost",
			"internal/terminal", "internal/remote", "internal/dotenv", "cmd"},
		why: "what stands in for what is missing, and what commands do, is serve's and theirs: the deployed function links none of it",
	},
	{
		dir: "internal/devserver", never: []string{"internal/app", "internal/server"},
		why: "the app is given it",
	},
}

// edges are what few link: every binary with them takes longer to link and to start. They are imported by the directories
// named for them, and by tests.
var edges = map[string][]string{
	"cloud.google.com/go/firestore":           {"storage/gcpfirestore", "internal/app", "internal/emulator/emulatortest"},
	"google.golang.org/grpc":                  {"storage/gcpfirestore", "internal/secrets/gcpsecrets", "internal/emulator/emulatortest"},
	"storage/gcpfirestore":                    {"internal/app"},
	"cloud.google.com/go/secretmanager":       {"internal/secrets/gcpsecrets"},
	"internal/secrets/gcpsecrets":             {"internal/app"},
	"go.opentelemetry.io/otel/exporters/otlp": {"internal/telemetry/otlp"},
	"google.golang.org/api/idtoken":           {"internal/remote/googleid", "internal/callers"},
	"internal/remote/googleid":                {"cmd/fluxgate"},
	"internal/telemetry/otlp":                 {"internal/app"},
}

// ends are imported by nobody, tests included, except by the directories named for them.
var ends = map[string][]string{
	".":   {"cmd/function"},
	"cmd": nil,
}

// testOnly may be imported by tests and by the packages named, which are themselves for tests: neither belongs in the
// function, and .gcloudignore leaves these packages out of its source.
var testOnly = map[string][]string{
	"storage/storetest":                nil,
	"storage/internal/codec/codectest": nil,
	"internal/emulator/emulatortest":   nil,
	"internal/simserver/simtest":       nil,
	"internal/testlock":                nil,
	"internal/testbuffer":              nil,
	"internal/standstill":              nil,
	"internal/nodetest":                nil,
	"internal/race":                    nil,
	"internal/threadtime":              nil,
	"testing":                          {"storage/storetest", "internal/testlock", "internal/race", "internal/threadtime", "internal/emulator/emulatortest", "internal/nodetest", "internal/simserver/simtest"},
	"github.com/stretchr/testify":      {"storage/storetest", "internal/emulator/emulatortest", "internal/nodetest", "internal/simserver/simtest"},
	"golang.org/x/tools":               nil,
	"pgregory.net/rapid":               {"storage/storetest", "internal/emulator/emulatortest"},
	"github.com/bmatcuk/doublestar":    nil,
	"github.com/hashicorp/hcl":         nil,
	"github.com/zclconf/go-cty":        nil,
}

// readOnce reads the repository once for all tests: none changes it.
var readOnce = sync.OnceValues(func() (tree, error) { return readTree(root) })

func repository(t *testing.T) tree {
	t.Helper()
	files, err := readOnce()
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
	assert.Empty(t, checkImporters(files, edges, true))
	assert.Empty(t, checkImporters(files, testOnly, true))
}

// Whoever decides by a store, and whoever tests that, links no client of a database.
func TestStorageLinksNoCloud(t *testing.T) {
	all := linked(t, "-test", "./storage", "./storage/storetest", "./internal/admission")
	require.Contains(t, all, module+"/scheduler")
	for _, one := range all {
		assert.False(t, within(one, "cloud.google.com/go", "google.golang.org"), one)
	}
}

// Bodies are read without HTTP, here and in whatever reading them imports.
func TestPayloadLinksNoHTTP(t *testing.T) {
	all := linked(t, "./internal/payload/...")
	for _, want := range []string{"", "/answers", "/form", "/lines", "/references"} {
		require.Contains(t, all, module+"/internal/payload"+want)
	}
	for _, one := range all {
		assert.False(t, within(one, "net/http"), one)
	}
}

// linked returns the packages named and all that they import, directly or indirectly. With -test, so do their tests.
func linked(t *testing.T, named ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-deps"}, named...)...)
	cmd.Dir = filepath.FromSlash(root)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return strings.Fields(string(out))
}

func TestSchedulerHasNoClock(t *testing.T) {
	assert.Empty(t, checkNoClock(repository(t), "scheduler"))
}

func TestServerNeverSleeps(t *testing.T) {
	for _, dir := range []string{"internal/server", "internal/dispatch", "internal/admission", "internal/apierror", "internal/admin"} {
		assert.Empty(t, checkNoSleep(repository(t), dir))
	}
}

func TestFileLength(t *testing.T) {
	assert.Empty(t, checkLength(repository(t), maxLines))
}

// assertNone prints each line by itself: whoever moves a function reads them one by one.
func assertNone(t *testing.T, bad []string) {
	t.Helper()
	assert.Empty(t, strings.Join(bad, "\n"))
}

func TestPackageLength(t *testing.T) {
	except := slices.Collect(maps.Keys(testOnly))
	assertNone(t, unexcused(checkSize(repository(t), maxPackageLines, except), tooLarge))
}

func TestPackageComments(t *testing.T) {
	assertNone(t, unexcused(checkComments(repository(t)), notCommented))
}

func TestFileOrder(t *testing.T) {
	race.Skip(t)
	files := repository(t)
	checked, err := checkedOnce()
	require.NoError(t, err)
	assertNone(t, unexcused(checkOrder(files, checked), notInOrder))

	var table strings.Builder
	fmt.Fprintf(&table, "%-32s %5s %5s %9s\n", "package", "files", "calls", "backwards")
	for _, dir := range slices.Sorted(maps.Keys(files)) {
		order, bad := fileOrder(dir, files[dir])
		if len(order) < 2 || len(bad) > 0 {
			continue
		}
		calls := checked[dir].calls()
		back := len(backwards(calls, order))
		fmt.Fprintf(&table, "%-32s %5d %5d %9d %5.1f%%\n", dir, len(order), len(calls), back,
			100*float64(back)/float64(max(1, len(calls))))
	}
	t.Logf("calls between files:\n%s", &table)
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
