package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"fluxgate.dev/fluxgate/internal/remote"
	"fluxgate.dev/fluxgate/internal/wait"
)

const waitLong = `Forward everything to one Fluxgate, and sit out its waits on behalf of programs that can't.

Most client libraries fail their program at the first 429. With wait between them and the Fluxgate they never see one that
could have been sat out: it comes back at the told millisecond with the ticket, and answers them as if nothing had been.
What waiting can't mend in time passes on at once: a spent day, the caller's own mistake, a wait beyond --longest or
beyond the timeout that the client itself sends along.

It listens on this machine only, and forwards to the one --to, over https unless that is this machine too. The program's
own API key is taken off, and this command's token is added, or its Google identity, so that the program needs neither.

With a command after --, wait runs it with the variables set that client libraries read (GOOGLE_GEMINI_BASE_URL,
OPENAI_BASE_URL, ANTHROPIC_BASE_URL and their like, and a placeholder for an API key where it has none), ends with it, and passes its exit code
and signals on. Without one it runs until Ctrl-C, and answers what is under way first; a second Ctrl-C breaks that off.

The Fluxgate is the one of --to or FLUXGATE_URL. Its token is read from FLUXGATE_TOKEN or --token-file. Where Cloud Run's
IAM guards it, --identity proves who you are: by application default credentials, else by gcloud's account.`

const waitExample = `  fluxgate wait --to https://my-function-abc.a.run.app
  fluxgate wait --to https://my-function-abc.a.run.app --identity -- python app.py
  FLUXGATE_TOKEN=… fluxgate wait --to https://my-function-abc.a.run.app --longest 10m -- npm start`

// newWaitCommand is `fluxgate wait`.
func newWaitCommand() *cobra.Command {
	var (
		c       connection
		listen  string
		longest time.Duration
		quiet   bool
	)
	cmd := &cobra.Command{
		Use:     "wait [-- COMMAND...]",
		Short:   "Stand before programs that can't wait, and wait for them",
		Long:    waitLong,
		Example: waitExample,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return errors.New("write -- before the command that is to be run")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, command []string) error {
			cmd.SilenceUsage = true
			access, err := c.access()
			if err != nil {
				return err
			}
			o := wait.Options{Access: access, Longest: longest}
			if !quiet {
				o.Output = cmd.ErrOrStderr()
				o.Live = len(command) == 0 && isTerminal(o.Output)
			}
			return runWait(cmd.Context(), o, cmp.Or(listen, defaultListen(command)), command)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	c.registerAs(cmd, "to")
	flags.StringVar(&listen, "listen", "", "loopback `address` to listen on (default 127.0.0.1:8081, with a command any free port)")
	flags.DurationVar(&longest, "longest", wait.DefaultLongest, "longest `time` that a request waits; HTTP clients commonly give up at 300s")
	flags.BoolVarP(&quiet, "quiet", "q", false, "don't show who waits")
	return cmd
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func defaultListen(command []string) string {
	if len(command) > 0 {
		return "127.0.0.1:0"
	}
	return "127.0.0.1:8081"
}

// runWait serves a proxy until a signal, or as long as a command runs.
func runWait(ctx context.Context, o wait.Options, address string, command []string) error {
	proxy, err := wait.New(o)
	if err != nil {
		return usageError{err}
	}
	if o.Access.Identity != nil {
		// Who can't get a token is told before anything is started.
		if _, err := o.Access.Identity.Token(ctx); err != nil {
			return err
		}
	}
	listener, err := listenLocally(address, o.Access)
	if err != nil {
		return err
	}
	if len(command) > 0 {
		code, err := proxy.Run(ctx, listener, command)
		if err == nil && code != 0 {
			err = exitError(code)
		}
		return err
	}
	ctx, abort, stop := twoSignals(ctx)
	defer stop()
	fmt.Printf("waiting on http://%[1]s for %[2]s (stop with Ctrl-C), for instance:\n"+
		"  GOOGLE_GEMINI_BASE_URL=http://%[1]s GEMINI_API_KEY=any python app.py\n", listener.Addr(), o.Access.URL)
	context.AfterFunc(ctx, func() {
		if n := proxy.Waiting(); n > 0 {
			fmt.Fprintf(os.Stderr, "\nstopping once the %d that wait are answered; once more breaks that off\n", n)
		}
	})
	return proxy.Serve(ctx, listener, abort)
}

// twoSignals returns a context that ends with the first SIGINT or SIGTERM, and a channel that is closed with the second.
func twoSignals(parent context.Context) (ctx context.Context, second <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals, abort := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		close(abort)
	}()
	return ctx, abort, func() { signal.Stop(signals); cancel() }
}

// listenLocally listens on a loopback address that isn't that of the Fluxgate itself.
func listenLocally(address string, to remote.Access) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usageError{fmt.Errorf("listen: %q: want a host and a port", address)}
	}
	local := remote.Access{URL: "http://" + address}
	if !local.Loopback() {
		return nil, usageError{fmt.Errorf("listen: %s isn't this machine's loopback: whoever reaches it would use your token. Give --listen a port of 127.0.0.1", host)}
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if strings.TrimRight(to.URL, "/") == "http://"+listener.Addr().String() {
		_ = listener.Close()
		return nil, fmt.Errorf("listen: %s is what it would forward to: give --listen another port", listener.Addr())
	}
	return listener, nil
}
