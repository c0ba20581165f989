//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The walk-throughs of .github/walkthroughs.md print what they say, command by command. In what
// is said … stands for anything, and a line of it alone for any number of lines.
func TestWalkthroughs(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s isn't installed", tool)
		}
	}
	text, err := os.ReadFile("../../.github/walkthroughs.md")
	require.NoError(t, err)
	all := readWalkthroughs(string(text))
	require.Len(t, all, 4)
	for _, w := range all {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, w.steps)
			w.walk(t)
		})
	}
}

// A walkthrough is what somebody types, one command after another.
type walkthrough struct {
	name  string
	steps []step
}

// A step is one command, and what it prints.
type step struct{ command, prints string }

// readWalkthroughs reads the sections of a page that have commands: what follows "$ " in a code
// block, with a here-document to its END, and what it prints up to the next.
func readWalkthroughs(page string) (all []walkthrough) {
	for _, section := range strings.Split(page, "\n## ")[1:] {
		w := walkthrough{name: section[:strings.Index(section, "\n")]}
		for i, block := range strings.Split(section, "\n```\n") {
			if i%2 == 0 {
				continue // text
			}
			document := false
			for line := range strings.Lines(block + "\n") {
				last := len(w.steps) - 1
				switch command, ok := strings.CutPrefix(line, "$ "); {
				case document:
					w.steps[last].command += line
					document = line != "END\n"
				case ok:
					w.steps = append(w.steps, step{command: command})
					document = strings.Contains(command, "<<'END'")
				case last >= 0:
					w.steps[last].prints += line
				}
			}
		}
		if len(w.steps) > 0 {
			all = append(all, w)
		}
	}
	return all
}

// begun is what a server prints once it serves.
const begun = "serving on http\\|simulated Gemini on http"

// walk types the commands into one shell in an empty directory, and compares what they print.
// The ports of the page are any that are free here.
func (w walkthrough) walk(t *testing.T) {
	path, err := program()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(path, filepath.Join(dir, "fluxgate")))
	ports := map[string]string{"8080": "", "8090": ""}
	for port := range ports {
		free, err := freePort()
		require.NoError(t, err)
		ports[port] = strconv.Itoa(free)
	}
	var script bytes.Buffer
	for i, s := range w.steps {
		command := strings.TrimSuffix(s.command, "\n")
		for from, to := range ports {
			command = strings.ReplaceAll(command, from, to)
		}
		fmt.Fprintf(&script, "%s\nstatus=$?\n", command)
		if log := regexp.MustCompile(`>(\S+\.log) 2>&1 &$`).FindStringSubmatch(command); log != nil {
			fmt.Fprintf(&script, "until grep -qs '%s' %s; do sleep 0.02; kill -0 $! 2>/dev/null || break; done\n", begun, log[1])
		}
		fmt.Fprintf(&script, "echo '<<end of %d>>'; (exit $status)\n", i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	end := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // servers in the background with it
	cmd.Cancel = end
	cmd.WaitDelay = time.Second
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + dir, "TZ=UTC", "LC_ALL=C.UTF-8", "TERM=dumb", "COLUMNS=130",
		"PORT=" + ports["8080"], "FLUXGATE_URL=http://127.0.0.1:" + ports["8080"], "FLUXGATE_STORE=memory",
		"GORACE=" + os.Getenv("GORACE"), // as in launch
	}
	cmd.Stdin = &script
	out, err := cmd.CombinedOutput()
	_ = end()
	printed := string(out)
	for from, to := range ports {
		printed = strings.ReplaceAll(printed, to, from)
	}
	require.NoError(t, ctx.Err(), "it takes too long: %s", printed)
	if _, ok := err.(*exec.ExitError); !ok {
		require.NoError(t, err)
	}
	for i, s := range w.steps {
		text, rest, ok := strings.Cut(printed, "<<end of "+strconv.Itoa(i)+">>\n")
		require.True(t, ok, "%s has no end: %s", s.command, printed)
		printed = rest
		assert.Regexp(t, s.pattern(), text, "$ %s", s.command)
		if testing.Verbose() {
			fmt.Printf("$ %s%s", s.command, text)
		}
	}
}

// pattern matches what a step prints.
func (s step) pattern() string {
	var b strings.Builder
	b.WriteString(`\A`)
	for line := range strings.Lines(s.prints) {
		if line == "…\n" {
			b.WriteString(`(?:.*\n)*?`)
			continue
		}
		parts := strings.Split(strings.TrimSuffix(line, "\n"), "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		pattern := strings.Join(parts, `.*`)
		if when, rest, ok := strings.Cut(pattern, " "); ok && when == "WHEN" {
			pattern = when + ` +` + strings.TrimLeft(rest, " ") // as wide as what is 9s or 11s ago
		}
		b.WriteString(pattern + `\n`)
	}
	return b.String() + `\z`
}
