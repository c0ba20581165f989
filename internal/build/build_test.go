package build

import (
	"os"
	"regexp"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	const commit = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"
	recorded := func(modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: commit}, {Key: "vcs.modified", Value: modified}}}
	}
	for _, tt := range []struct {
		name             string
		found            *debug.BuildInfo
		revision, source string
		want             string
	}{
		{"of a repository", recorded("false"), "", "", "0a1b2c3d4e5f"},
		{"with changes", recorded("true"), "", "", "0a1b2c3d4e5f+"},
		{"of an archive", &debug.BuildInfo{}, "", "ffeeddccbbaa99887766", "source-ffeeddccbbaa"},
		{"a commit says more than an archive", recorded("false"), "", "ffee", "0a1b2c3d4e5f"},
		{"of an image", nil, commit, "", "0a1b2c3d4e5f"},
		{"of an image with changes", nil, commit + "+", "", "0a1b2c3d4e5f+"},
		{"nobody says", nil, "", "", ""},
	} {
		assert.Equal(t, tt.want, of(tt.found, tt.revision, tt.source).Commit, tt.name)
	}
	assert.Equal(t, "1.2.3 (abc, go1)", Info{"1.2.3", "abc", "go1"}.String())
	assert.Equal(t, "1.2.3 (go1)", Info{"1.2.3", "", "go1"}.String())
}

// What the program says is what the newest chapter describes.
func TestChangelog(t *testing.T) {
	text, err := os.ReadFile("../../.github/CHANGELOG.md")
	require.NoError(t, err)
	chapter := regexp.MustCompile(`(?m)^## (\S+)`).FindStringSubmatch(string(text))
	require.NotNil(t, chapter)
	assert.Equal(t, Version, chapter[1])
	assert.Regexp(t, `^\d+\.\d+\.\d+$`, Version)
}
