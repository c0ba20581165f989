//go:build unix

package emulator

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bare takes everything away by which an emulator could be found.
func bare(t *testing.T) {
	t.Helper()
	for _, name := range []string{"PATH", "JAVA_HOME", "CLOUDSDK_ROOT_DIR", "CLOUDSDK_ROOT", "JAVA_TOOL_OPTIONS"} {
		t.Setenv(name, "")
	}
}

func writeExecutable(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o700))
}

func TestFindNothingInstalled(t *testing.T) {
	bare(t)
	_, err := find()
	require.ErrorIs(t, err, ErrNotInstalled)
	assert.ErrorContains(t, err, installHint, "the message must say how to install it")
	assert.ErrorIs(t, Missing(), ErrNotInstalled)

	_, err = Start(t.Context(), Options{})
	assert.ErrorIs(t, err, ErrNotInstalled, "Start must be told from a start that failed")
}

func TestFindNamesTheMissingPart(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, sdk string)
		want    string
	}{
		"no component": {
			// An SDK that hasn't it answers the question; asking gcloud, which this one can't, would cost a second.
			func(t *testing.T, sdk string) {
				writeExecutable(t, filepath.Join(sdk, "bin", "gcloud"), "#!/bin/false\n")
				require.NoError(t, os.MkdirAll(filepath.Join(sdk, "platform"), 0o700))
			},
			"has no component cloud-firestore-emulator",
		},
		"no java": {
			func(t *testing.T, sdk string) {
				writeExecutable(t, filepath.Join(sdk, "bin", "gcloud"), "#!/bin/false\n")
				require.NoError(t, os.MkdirAll(filepath.Join(sdk, "platform", componentDir), 0o700))
			},
			"java:",
		},
		"gcloud outside an SDK and broken": {
			func(t *testing.T, sdk string) {
				writeExecutable(t, filepath.Join(sdk, "bin", "gcloud"), "#!/bin/false\n")
			},
			"asking gcloud for its SDK",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bare(t)
			sdk := t.TempDir()
			c.prepare(t, sdk)
			t.Setenv("PATH", filepath.Join(sdk, "bin"))
			_, err := find()
			require.ErrorIs(t, err, ErrNotInstalled)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

// gcloud on PATH is usually a symbolic link into the SDK, and then java runs the jar without gcloud.
func TestFindThroughLink(t *testing.T) {
	bare(t)
	sdk, home, bin := t.TempDir(), t.TempDir(), t.TempDir()
	jar := filepath.Join(sdk, "platform", componentDir, jarName)
	writeExecutable(t, jar, "")
	writeExecutable(t, filepath.Join(sdk, "bin", "gcloud"), "#!/bin/false\n")
	installJava(t, home)
	require.NoError(t, os.Symlink(filepath.Join(sdk, "bin", "gcloud"), filepath.Join(bin, "gcloud")))
	t.Setenv("PATH", bin)
	t.Setenv("JAVA_HOME", home)

	found, err := find()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(home, "bin", "java"), found.path)
	resolved, err := filepath.EvalSymlinks(jar)
	require.NoError(t, err)
	assert.Contains(t, found.args, resolved)
	assert.Contains(t, found.args, "-Xmx1g", "a test run must not take a quarter of the machine")
	args := found.argsFor(1234)
	assert.Equal(t, []string{"--host=127.0.0.1", "--port=1234"}, args[len(args)-2:])
}

// A shim tells nothing by its place in the file system; gcloud itself does.
func TestFindAsksGcloud(t *testing.T) {
	bare(t)
	sdk, home, bin := t.TempDir(), t.TempDir(), t.TempDir()
	jar := filepath.Join(sdk, "platform", componentDir, jarName)
	writeExecutable(t, jar, "")
	writeExecutable(t, filepath.Join(bin, "gcloud"), "#!/bin/sh\n[ \"$1\" = info ] && echo '"+sdk+"'\n")
	installJava(t, home)
	t.Setenv("PATH", bin)
	t.Setenv("JAVA_HOME", home)

	found, err := find()
	require.NoError(t, err)
	assert.Contains(t, found.args, jar)
}

// The component without the jar where it has always been: gcloud knows how to start it.
func TestFindFallsBackToGcloud(t *testing.T) {
	bare(t)
	sdk, home := t.TempDir(), t.TempDir()
	writeExecutable(t, filepath.Join(sdk, "platform", componentDir, "cloud_firestore_emulator"), "#!/bin/false\n")
	writeExecutable(t, filepath.Join(sdk, "bin", "gcloud"), "#!/bin/false\n")
	installJava(t, home)
	t.Setenv("PATH", filepath.Join(sdk, "bin"))
	t.Setenv("JAVA_HOME", home)
	t.Setenv("JAVA_TOOL_OPTIONS", "-Dmine=1")

	found, err := find()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(sdk, "bin", "gcloud"), found.path)
	assert.Equal(t, []string{"emulators", "firestore", "start", "--quiet", "--host-port=127.0.0.1:1234"},
		found.argsFor(1234))
	assert.Equal(t, []string{"JAVA_TOOL_OPTIONS=-Dmine=1 -Xmx1g"}, found.env, "the user's options must be kept")
}
