package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
)

// What a parent and its child write to each other.
const (
	servingOn = "serving on "
	askUsage  = "usage"
)

// ProcessOptions say what a child process is to do.
type ProcessOptions struct {
	// Profile is what the files begin with that get the profiles of the whole
	// process, of CPU (.cpu.pprof) and of allocations (.allocs.pprof); empty: none.
	Profile string
	// In ends when the child is to end. Out gets the answers; Serve may write
	// lines of its own to the same place.
	In  io.Reader
	Out io.Writer
	// Serve serves until its context ends. It prints the address that it serves
	// on in a line "serving on http://…".
	Serve func(ctx context.Context) error
}

// RunProcess serves in a child process and answers its parent, until the parent
// ends it.
func RunProcess(ctx context.Context, s ProcessOptions) (err error) {
	if s.Profile != "" {
		stop, err := startProfiles(s.Profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		lines := bufio.NewScanner(s.In)
		for lines.Scan() {
			if lines.Text() != askUsage {
				continue
			}
			u, err := selfUsage()
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			fmt.Fprintln(s.Out, askUsage, u.CPU.Nanoseconds(), u.PeakBytes, u.ResidentBytes)
		}
	}()
	if err := s.Serve(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// cpuProfile is how the name of a file ends that has a profile of CPU.
const cpuProfile = ".cpu.pprof"

// startProfiles starts the profiles and returns what ends them.
func startProfiles(path string) (stop func() error, err error) {
	cpu, err := os.Create(path + cpuProfile)
	if err != nil {
		return nil, fmt.Errorf("create profile: %w", err)
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, errors.Join(fmt.Errorf("start profile: %w", err), cpu.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return errors.Join(cpu.Close(), writeAllocs(path+".allocs.pprof"))
	}, nil
}

func writeAllocs(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create profile: %w", err)
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}
