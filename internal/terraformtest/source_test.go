package terraformtest

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// More files than the repository has: what a checkout may come to hold, and what only looks like it.
var decoys = []string{
	// Secrets and state.
	".env", ".env.local", "internal/app/.env", "internal/app/.env.production", "prod.tfvars", "storage/prod.tfvars",
	"terraform.tfstate", "storage/terraform.tfstate.backup", ".terraform/environment", "internal/app/.terraform/environment",
	// What a checkout makes.
	"fluxgate", "serverless_function_source_code/app/main.go", "gate.test", "internal/app/app.test", "cpu.prof", "x.out",
	"coverage.txt", "internal/app/coverage.html", "node_modules/a/index.js", "internal/server/node_modules/a/index.js",
	"source.zip", "storage/source.zip", "prompts.results.jsonl", ".idea/workspace.xml",
	// Tests at any depth.
	"a_test.go", "scheduler/deep/er/a_test.go", "storage/testdata/a.json", "testdata/a.go",
	// The deployment, also where it hides.
	"terraform/main.tf", "terraform/.terraform/providers/a", "terraform/example.tfvars", "cmd/other/main.go",
	"internal/terraformtest/helper.go", "storage/storetest/deep/a.go",
	// Only the root's are left out, or only whole names.
	"internal/README.md", "internal/fluxgate/a.go", "internal/cmd/a.go", "internal/terraform/a.go", "scheduler/a_tests.go",
	"internal/archtests/a.go", "internal/server/page.html", "internal/server/.hidden", "internal/app/environment.env.go",
	"internal/app/output.go", "storage/mytestdata/a.go",
}

// The source archive that Terraform uploads holds the files that `gcloud functions deploy` would upload, which are those
// that .ci/buildpack-build builds.
func TestArchiveIsThatOfGcloudignore(t *testing.T) {
	listing := git(t, root, "ls-files", "-z")
	if listing == nil {
		t.Skip("a source archive: only a repository can tell what belongs to it")
	}
	tree := t.TempDir()
	for _, name := range append(paths(listing), decoys...) {
		name = filepath.Join(tree, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, nil, 0o644))
	}
	want := uploaded(t, tree)
	require.Contains(t, want, "function.go", "too much is ignored")
	require.Contains(t, want, "internal/server/page.html")
	require.NotContains(t, want, ".env")

	assert.Equal(t, want, archived(t, tree, texts(t, evaluate(t, readModule(t).local(t, "source_excludes")))))
}

// uploaded lists what .gcloudignore leaves, in gcloud's terms, whose patterns are git's.
func uploaded(t *testing.T, tree string) []string {
	t.Helper()
	const include = "#!include:.gitignore\n"
	patterns := read(t, root+"/.gcloudignore")
	require.Contains(t, patterns, include)
	patterns = strings.Replace(patterns, include, read(t, root+"/.gitignore"), 1)
	file := filepath.Join(t.TempDir(), "patterns")
	require.NoError(t, os.WriteFile(file, []byte(patterns), 0o600))
	require.NotNil(t, git(t, tree, "init", "--quiet"))
	found := paths(git(t, tree, "ls-files", "-z", "--others", "--exclude-from="+file))
	slices.Sort(found)
	return found
}

// archived lists what Terraform's archive provider puts into an archive: it walks a folder and leaves out what matches
// one of the patterns, a folder with all that is in it.
func archived(t *testing.T, tree string, excludes []string) (found []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(tree, func(name string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		rel, err := filepath.Rel(tree, name)
		require.NoError(t, err)
		for _, pattern := range excludes {
			match, err := doublestar.PathMatch(filepath.FromSlash(pattern), rel)
			require.NoError(t, err)
			switch {
			case match && d.IsDir():
				return fs.SkipDir
			case match:
				return nil
			}
		}
		if !d.IsDir() {
			found = append(found, filepath.ToSlash(rel))
		}
		return nil
	}))
	slices.Sort(found)
	return found
}

// git returns the output of a git command, nil if dir is in no repository.
func git(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && strings.Contains(stderr.String(), "not a git repository") {
		return nil
	}
	require.NoError(t, err, stderr.String())
	if out == nil {
		out = []byte{}
	}
	return out
}

func paths(listing []byte) []string {
	return strings.FieldsFunc(string(listing), func(r rune) bool { return r == 0 })
}
