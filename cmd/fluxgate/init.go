package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"fluxgate.dev/fluxgate/internal/config"
)

func newInitCommand() *cobra.Command {
	var env string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a .env file by asking",
		Long: `Init asks for keys, their projects, and who may use Fluxgate, and writes a .env file with comments, which only you can
read. Keys aren't shown while they are typed. A file that is there already is left alone.

Where there is no terminal, the answers are the lines of standard input, in the order of the questions: a key and its
project, as often as you like, an empty line, whether to wait for the best model (yes or no), the name of a caller or an
empty line. An empty line stands for what is in brackets.`,
		Example: `  fluxgate init
  printf '%s\n' "$KEY_1" team-a "$KEY_2" team-b '' no '' | fluxgate init`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a := &answers{lines: bufio.NewReader(cmd.InOrStdin()), out: cmd.OutOrStdout()}
			if fd := int(os.Stdin.Fd()); cmd.InOrStdin() == os.Stdin && term.IsTerminal(fd) {
				shown, err := term.GetState(fd)
				if err != nil {
					return fmt.Errorf("look at the terminal: %w", err)
				}
				// Whoever stops it while a key is typed wants a terminal that shows what is typed.
				ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
				defer stop()
				defer context.AfterFunc(ctx, func() {
					_ = term.Restore(fd, shown)
					fmt.Fprintln(a.out)
					os.Exit(exitFailed)
				})()
				a.hidden = func() (string, error) {
					text, err := term.ReadPassword(fd)
					fmt.Fprintln(a.out)
					return string(text), err
				}
			}
			return initialize(cmd.Context(), a, env)
		},
	}
	cmd.Flags().StringVar(&env, "env-file", ".env", "file to write; it must not exist")
	return cmd
}

// answers reads what is answered to questions.
type answers struct {
	lines  *bufio.Reader
	out    io.Writer
	hidden func() (string, error) // reads a line that isn't shown; nil: there is no terminal
}

// ask asks until check has nothing against the answer; without a terminal, once.
func (a *answers) ask(question string, secret bool, check func(string) error) (string, error) {
	for {
		if a.hidden != nil {
			fmt.Fprint(a.out, question+": ")
		}
		var text string
		var err error
		if secret && a.hidden != nil {
			text, err = a.hidden()
		} else if text, err = a.lines.ReadString('\n'); errors.Is(err, io.EOF) && text != "" {
			err = nil // the last line needs no end
		}
		if errors.Is(err, io.EOF) {
			return "", usageError{errors.New("the answers end too early: nothing is written (fluxgate init --help tells which are wanted)")}
		}
		if err != nil {
			return "", fmt.Errorf("read an answer: %w", err)
		}
		text = config.Unquote(text)
		wrong := check(text)
		if wrong == nil {
			return text, nil
		}
		if a.hidden == nil {
			return "", usageError{fmt.Errorf("%s: %w; nothing is written", question, wrong)}
		}
		fmt.Fprintf(a.out, "  %v\n", wrong)
	}
}

// initialize writes the file at path by what is answered.
func initialize(ctx context.Context, a *answers, path string) error {
	there := usageError{fmt.Errorf("%s is there already, and stays as it is: edit it, or name another with --env-file", path)}
	if _, err := os.Lstat(path); err == nil {
		return there
	}
	text, err := dotEnv(ctx, a)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return there
	}
	if err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	fmt.Fprintf(a.out, "%s is written. Never commit it. Next: fluxgate check, then fluxgate serve\n", path)
	return nil
}

// dotEnv returns the text of a .env file, which config has found right.
func dotEnv(ctx context.Context, a *answers) (string, error) {
	var text strings.Builder
	var environ []string
	set := func(name, value string) {
		environ = append(environ, name+"="+value)
		fmt.Fprintf(&text, "%s='%s'\n", name, value) // in single quotes $ and # mean nothing
	}
	text.WriteString("# Fluxgate's settings, by fluxgate init. What is set in the environment wins over them; .env.example has all\n" +
		"# there are. Never commit this file.\n\n" +
		"# The keys, and the Google Cloud project of each: limits are the project's. Keys of one project say so.\n")
	for n := 1; ; n++ {
		key, err := a.ask(fmt.Sprintf("Gemini API key %d (empty: no more)", n), true, func(s string) error {
			if s == "" && n > 1 {
				return nil
			}
			return errors.Join(config.CheckKey(config.NewSecret(s)), withoutQuote(s))
		})
		if err != nil {
			return "", err
		}
		if key == "" {
			break
		}
		project, err := a.ask("  its Google Cloud project (empty: one of its own)", false, func(s string) error {
			if s == "" {
				return nil
			}
			return config.CheckProject(s)
		})
		if err != nil {
			return "", err
		}
		set(fmt.Sprintf("GEMINI_KEY_%d", n), key)
		if project != "" {
			set(fmt.Sprintf("GEMINI_PROJECT_%d", n), project)
		}
	}
	wait, err := a.ask("Wait for the best model, rather than take whichever is free? yes or no [yes]", false, func(s string) error {
		if s != "" && s != "yes" && s != "no" {
			return errors.New("want yes or no")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	text.WriteString("\n# How long a request waits for the best model before the next one is taken; empty: however long that takes.\n")
	if wait == "no" {
		set("FLUXGATE_MAX_WAIT", "0s")
	} else {
		text.WriteString("FLUXGATE_MAX_WAIT=\n")
	}
	token := rand.Text()
	name, err := a.ask("Name of a caller to make a token for (empty: this machine alone may use it, without one)", false, func(s string) error {
		if s == "" {
			return nil
		}
		return config.CheckTokens([]config.TokenEntry{{Name: s, Token: config.NewSecret(token), Where: "the name"}})
	})
	if err != nil {
		return "", err
	}
	text.WriteString("\n# Who may use it: name:token, separated by commas. Callers send the token where they put an API key.\n")
	if name != "" {
		set("FLUXGATE_TOKENS", name+":"+token)
	} else {
		text.WriteString("FLUXGATE_TOKENS=\n")
	}
	if _, err := config.Load(ctx, environ); err != nil {
		return "", usageError{fmt.Errorf("nothing is written: %w", err)}
	}
	return text.String(), nil
}

// withoutQuote refuses what can't stand between single quotes.
func withoutQuote(s string) error {
	if strings.Contains(s, "'") {
		return errors.New("want no ' in a key")
	}
	return nil
}
