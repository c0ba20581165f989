package build

import (
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// Version is that of the newest chapter of .github/CHANGELOG.md that this source is described by.
const Version = "0.1.0"

// revision is set by -ldflags where Go can't record the commit by itself, as in an image
// that is the same wherever it is built.
var revision string

// source is set by -ldflags where the build has no repository to look at: the first
// digits of the hash of the archive that it was made from, which is the archive's name
// in the bucket.
var source string

// Info is what a program was built from.
type Info struct {
	Version string `json:"version"`
	// Commit is the first twelve digits of the commit, with "+" behind them when files had
	// been changed, or "source-" and the beginning of the archive's hash; empty where
	// nobody said.
	Commit string `json:"commit,omitempty"`
	Go     string `json:"go"`
}

// Of returns what this program was built from.
var Of = sync.OnceValue(func() Info {
	found, _ := debug.ReadBuildInfo() // nil: built without modules
	return of(found, revision, source)
})

func of(found *debug.BuildInfo, revision, source string) Info {
	info := Info{Version: Version, Go: runtime.Version()}
	if found != nil {
		settings := map[string]string{}
		for _, s := range found.Settings {
			settings[s.Key] = s.Value
		}
		info.Commit = first(settings["vcs.revision"])
		if info.Commit != "" && settings["vcs.modified"] == "true" {
			info.Commit += "+"
		}
	}
	if info.Commit == "" && revision != "" {
		info.Commit = first(strings.TrimSuffix(revision, "+")) + map[bool]string{true: "+"}[strings.HasSuffix(revision, "+")]
	}
	if info.Commit == "" && source != "" {
		info.Commit = "source-" + first(source)
	}
	return info
}

// String returns the version as people write it: "0.1.0 (0a1b2c3d4e5f, go1.26.8)".
func (i Info) String() string {
	details := []string{i.Go}
	if i.Commit != "" {
		details = []string{i.Commit, i.Go}
	}
	return i.Version + " (" + strings.Join(details, ", ") + ")"
}

func first(hash string) string { return hash[:min(12, len(hash))] }
