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

// A Role is what a child process plays.
type Role string

// The roles. Simulator and Proxy are played with [ServeSimulator] and
// [ServeProxy]. Fluxgate is what `serve` serves, Function is the function as a
// platform starts it.
const (
	Simulator Role = "simulator"
	Proxy     Role = "proxy"
	Fluxgate  Role = "fluxgate"
	Function  Role = "function"
)

// A Part is a role with what it needs.
type Part struct {
	Role     Role
	Upstream string   // base URL of the simulator; empty for the simulator itself
	Settings []string // further NAME=value for Fluxgate and Function
	Profile  string   // what the files of its profiles begin with; empty: none
}

// A Launcher makes the command, not yet started, of a process that plays a part.
// The package connects its standard input, output and error.
type Launcher func(Part) *exec.Cmd

// Bounds of what a child may take.
const (
	startTimeout = time.Minute
	askTimeout   = 30 * time.Second
	stopTimeout  = 20 * time.Second // Fluxgate waits 9 s for requests under way
)

// A child is a process that plays a part.
type child struct {
	name   string
	url    string
	cmd    *exec.Cmd
	in     io.WriteCloser
	said   chan string // lines for us
	stderr *lastWords
	ended  chan error
}

// start starts a child and waits until it serves.
func start(ctx context.Context, name string, cmd *exec.Cmd) (*child, error) {
	c := &child{name: name, cmd: cmd, said: make(chan string, 16), stderr: new(lastWords), ended: make(chan error, 1)}
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
	go c.listen(out)
	line, err := c.hear(ctx, servingOn, startTimeout)
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	c.url, _, _ = strings.Cut(strings.TrimPrefix(line, servingOn), " ")
	return c, nil
}

// listen passes on what the child says to us, until it ends.
func (c *child) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if text := lines.Text(); strings.HasPrefix(text, servingOn) || strings.HasPrefix(text, askUsage+" ") {
			c.said <- text
		}
	}
	_, _ = io.Copy(io.Discard, out) // a line that is too long must not block the child
	close(c.said)
	c.ended <- c.cmd.Wait()
}

// hear waits for a line with a certain beginning.
func (c *child) hear(ctx context.Context, prefix string, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		select {
		case line, ok := <-c.said:
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
	line, err := c.hear(ctx, askUsage+" ", askTimeout)
	if err != nil {
		return Usage{}, err
	}
	return parseUsage(line)
}

// stop ends the child and waits for it.
func (c *child) stop() error {
	_ = c.in.Close() // that is what ends it; one that has ended already is closed
	go func() {
		for range c.said { // nobody else listens any more
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

// A cast is the children of one run.
type cast struct {
	launch   Launcher
	children []*child
}

// add starts one more.
func (a *cast) add(ctx context.Context, name string, p Part) (*child, error) {
	c, err := start(ctx, name, a.launch(p))
	if err != nil {
		return nil, err
	}
	a.children = append(a.children, c)
	return c, nil
}

// stop ends all, the last first, for each may need those before it.
func (a *cast) stop() error {
	var problems []error
	for i := len(a.children) - 1; i >= 0; i-- {
		problems = append(problems, a.children[i].stop())
	}
	return errors.Join(problems...)
}

// lastWords keeps the end of what a child wrote to standard error.
type lastWords struct {
	mu  sync.Mutex
	end []byte
}

const maxLastWords = 4 << 10

// Write implements io.Writer; it never fails.
func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end = append(w.end, p...)
	if n := len(w.end) - maxLastWords; n > 0 {
		w.end = append(w.end[:0], w.end[n:]...)
	}
	return len(p), nil
}

// String returns the end.
func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(string(w.end))
}
