package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// A Role is what a child process serves.
type Role string

// The roles. Simulator and Proxy are served by [ServeSimulator] and
// [ServeProxy]. Fluxgate is what `serve` serves, Function is the function as a
// platform starts it.
const (
	Simulator Role = "simulator"
	Proxy     Role = "proxy"
	Fluxgate  Role = "fluxgate"
	Function  Role = "function"
)

// A Process is a role with what it needs.
type Process struct {
	Role     Role
	Upstream string   // base URL of the simulator; empty for the simulator itself
	Settings []string // further NAME=value for Fluxgate and Function
	Profile  string   // what the files of its profiles begin with; empty: none
}

// A Launcher makes the command, not yet started, of a process.
// The package connects its standard input, output and error.
type Launcher func(Process) *exec.Cmd

// Bounds of what a child may take.
const (
	startTimeout = time.Minute
	askTimeout   = 30 * time.Second
	stopTimeout  = 20 * time.Second // Fluxgate waits 9 s for requests under way
)

// A child is a process that was started.
type child struct {
	name   string
	url    string
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan string // those for its parent
	stderr *tailBuffer
	ended  chan error
}

// start starts a child and waits until it serves.
func start(ctx context.Context, name string, cmd *exec.Cmd) (*child, error) {
	c := &child{name: name, cmd: cmd, lines: make(chan string, 16), stderr: new(tailBuffer), ended: make(chan error, 1)}
	cmd.Stderr = c.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c.in = in
	go c.readLines(out)
	line, err := c.waitFor(ctx, servingOn, startTimeout)
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	c.url, _, _ = strings.Cut(strings.TrimPrefix(line, servingOn), " ")
	return c, nil
}

// readLines passes on the lines that the child writes for its parent, until it ends.
func (c *child) readLines(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if text := lines.Text(); strings.HasPrefix(text, servingOn) || strings.HasPrefix(text, askUsage+" ") {
			c.lines <- text
		}
	}
	_, _ = io.Copy(io.Discard, out) // a line that is too long must not block the child
	close(c.lines)
	c.ended <- c.cmd.Wait()
}

// waitFor waits for a line with a certain beginning.
func (c *child) waitFor(ctx context.Context, prefix string, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		select {
		case line, ok := <-c.lines:
			switch {
			case !ok:
				return "", fmt.Errorf("%s ended: %s", c.name, c.stderr)
			case strings.HasPrefix(line, prefix):
				return line, nil
			}
		case <-ctx.Done():
			return "", fmt.Errorf("%s doesn't say %q: %w", c.name, strings.TrimSpace(prefix), ctx.Err())
		}
	}
}

// usage asks what the child has used so far.
func (c *child) usage(ctx context.Context) (Usage, error) {
	if _, err := fmt.Fprintln(c.in, askUsage); err != nil {
		return Usage{}, fmt.Errorf("ask %s for its usage: %w", c.name, err)
	}
	line, err := c.waitFor(ctx, askUsage+" ", askTimeout)
	if err != nil {
		return Usage{}, err
	}
	return parseUsage(line)
}

// stop ends the child and waits for it.
func (c *child) stop() error {
	_ = c.in.Close() // that is what ends it; one that has ended already is closed
	go func() {
		for range c.lines { // nobody else reads them any more
		}
	}()
	var err error
	select {
	case err = <-c.ended:
	case <-time.After(stopTimeout):
		err = errors.Join(errors.New("it had to be killed"), c.cmd.Process.Kill(), <-c.ended)
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w: %s", c.name, err, c.stderr)
	}
	return nil
}

// A processGroup is the children of one run.
type processGroup struct {
	launch   Launcher
	children []*child
}

// add starts one more.
func (a *processGroup) add(ctx context.Context, name string, p Process) (*child, error) {
	c, err := start(ctx, name, a.launch(p))
	if err != nil {
		return nil, err
	}
	a.children = append(a.children, c)
	return c, nil
}

// stop ends all, the last first, for each may need those before it.
func (a *processGroup) stop() error {
	var problems []error
	for i := len(a.children) - 1; i >= 0; i-- {
		problems = append(problems, a.children[i].stop())
	}
	return errors.Join(problems...)
}

// tailBuffer keeps the end of what a child wrote to standard error.
type tailBuffer struct {
	mu  sync.Mutex
	end []byte
}

const maxTail = 4 << 10

// Write implements io.Writer; it never fails.
func (w *tailBuffer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end = append(w.end, p...)
	if n := len(w.end) - maxTail; n > 0 {
		w.end = append(w.end[:0], w.end[n:]...)
	}
	return len(p), nil
}

// String returns the end.
func (w *tailBuffer) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(string(w.end))
}
