package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/batch"
	"fluxgate.dev/fluxgate/internal/remote"
	"fluxgate.dev/fluxgate/internal/wait"
)

// The exit codes, which scripts may rely on. `wait -- COMMAND` ends with the command's own.
const (
	exitFailed      = 1 // anything else
	exitUsage       = 2 // the command line or a setting is wrong: nothing was done
	exitRefused     = 3 // the Fluxgate that was asked said no
	exitUnreachable = 4 // it, or the store that check looked for, couldn't be reached
	exitPartial     = 5 // a batch is done, but for requests that failed or answers that are cut; or check found keys that don't work beside others that do

	// As of a shell, where the command of wait can't be started.
	exitNotRun   = 126 // it is there
	exitNotFound = 127
)

const exitHelp = `Exit codes: 0 done; 2 the command line or a setting is wrong, nothing was done; 3 the Fluxgate that was asked said no;
4 it (for check: the store) can't be reached; 5 a batch is done but for requests that failed or answers that are cut (for check:
some keys don't work); 1 anything else. wait with a command ends with the command's own, or with 127 or 126 where there is none
or it can't be started.`

// An exitError ends this process as a command ended that it ran.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("the command ended with %d", int(e)) }

// A usageError is about how the command was written, or a setting.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errPartial means that a batch is done in part.
var errPartial = errors.New("done in part")

// end says on stderr why the program ends, and returns its exit code.
func end(err error, stderr io.Writer) int {
	var exit exitError
	if errors.As(err, &exit) {
		return int(exit)
	}
	if err == nil {
		return 0
	}
	if !errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "fluxgate:", err)
	}
	return codeOf(err)
}

func codeOf(err error) int {
	var usage usageError
	var options *batch.OptionsError
	var refusal *remote.Error
	var stopped *batch.StoppedError
	var start *wait.StartError
	switch {
	case errors.As(err, &start) && (errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist)):
		return exitNotFound
	case start != nil:
		return exitNotRun
	case errors.As(err, &usage), errors.As(err, &options), errors.Is(err, app.ErrSelf), strings.HasPrefix(err.Error(), "unknown command"):
		return exitUsage
	case errors.Is(err, app.ErrStore):
		return exitUnreachable
	case errors.Is(err, errPartial), errors.Is(err, app.ErrSomeKeys):
		return exitPartial
	case errors.As(err, &refusal), errors.As(err, &stopped) && stopped.Status != 0:
		return exitRefused
	case remote.Unreachable(err), stopped != nil:
		return exitUnreachable
	}
	return exitFailed
}

// markUsage has whatever is wrong with the command line of a command, or of one below it, end with exitUsage.
func markUsage(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, list []string) error {
			if err := args(cmd, list); err != nil {
				return usageError{fmt.Errorf("%w (see fluxgate %s --help)", err, cmd.Name())}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		markUsage(sub)
	}
}
