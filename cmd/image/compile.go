package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// compile builds the command of the repository at source into program,
// statically and so that nothing of the machine or of the directory is in it.
func compile(ctx context.Context, source, program, arch string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", program, "./cmd/fluxgate")
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
