package pagetest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLock keeps what is installed the same everywhere: exact versions with
// their hashes, from npm's own registry.
func TestLock(t *testing.T) {
	var manifest struct {
		Dependencies map[string]string
	}
	read(t, "package.json", &manifest)
	require.NotEmpty(t, manifest.Dependencies)
	exact := regexp.MustCompile(`^\d+\.\d+\.\d+$`)

	var lock struct {
		Packages map[string]struct {
			Version, Integrity, Resolved string
			Link                         bool
		}
	}
	read(t, "package-lock.json", &lock)
	for name, version := range manifest.Dependencies {
		assert.Regexp(t, exact, version, name)
		assert.Equal(t, version, lock.Packages["node_modules/"+name].Version, name)
	}
	for name, p := range lock.Packages {
		if name == "" {
			continue // the folder itself
		}
		assert.True(t, strings.HasPrefix(p.Integrity, "sha512-"), "%s has no hash", name)
		assert.False(t, p.Link, "%s is a folder of somebody's machine", name)
		if p.Resolved != "" {
			assert.True(t, strings.HasPrefix(p.Resolved, "https://registry.npmjs.org/"), "%s comes from %s", name, p.Resolved)
		}
	}
}

func read(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("js", name))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}
