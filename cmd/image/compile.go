package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/licenses"
)

// compile builds the command of the repository at source into program,
// statically and so that nothing of the machine or of the directory is in it.
func compile(ctx context.Context, source, program, arch, revision string) error {
	flags := "-ldflags=-s -w -buildid="
	if revision != "" {
		flags += " -X fluxgate.dev/fluxgate/internal/build.revision=" + revision
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", flags, "-o", program, "./cmd/fluxgate")
	cmd.Dir = source
	cmd.Env = append(withoutChoices(os.Environ()), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOWORK=off", "GOENV=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// where are Go's variables that say where things are, and change nothing of what
// is built.
var where = []string{"GOROOT", "GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOTMPDIR", "GOMAXPROCS"}

// withoutChoices drops the variables by which somebody may have chosen to have
// it built otherwise.
func withoutChoices(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return (strings.HasPrefix(name, "GO") && !slices.Contains(where, name)) || strings.HasPrefix(name, "CGO_")
	})
}

// commit returns the commit of the repository at source, with "+" behind it when files
// were changed since; "" if it is none.
func commit(ctx context.Context, source string) string {
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = source
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	head, err := git("rev-parse", "HEAD")
	if err != nil {
		return ""
	}
	if changed, err := git("status", "--porcelain"); err != nil || changed != "" {
		head += "+"
	}
	return head
}

// notices returns the program's own licence, and those of what it is linked with.
func notices(ctx context.Context, source string) ([]byte, error) {
	own, err := os.ReadFile(filepath.Join(source, "LICENSE"))
	if err != nil {
		return nil, err
	}
	all, err := licenses.Of(ctx, source, "./cmd/fluxgate")
	if err != nil {
		return nil, err
	}
	return slices.Concat(own, []byte("\n"), licenses.Notice(all)), nil
}
