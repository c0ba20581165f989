package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/batch"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/nearest"
	"fluxgate.dev/fluxgate/internal/remote"
	"fluxgate.dev/fluxgate/internal/terminal"
)

// everywhere ends the help of what changes a setting.
const everywhere = `The change holds on every instance, within ten seconds, and is kept with the name of who made it. It takes an
administrator's token.`

// configure makes a command of one change. Where inForce isn't nil the command without arguments shows what is in force.
func (o *operator) configure(cmd *cobra.Command, inForce func(*remote.Status, terminal.Style) string, change func(args []string) (remote.Change, error)) *cobra.Command {
	cmd.Long += "\n\n" + everywhere
	if inForce != nil {
		cmd.Long = "Without an argument it shows what is in force, and why. " + cmd.Long
	}
	return o.command(cmd, func(cmd *cobra.Command, client *remote.Client, args []string) error {
		if back := cmd.Flags().Lookup("default"); inForce != nil && len(args) == 0 && (back == nil || back.Value.String() == "false") {
			answer, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			return show(o, cmd, answer, inForce)
		}
		c, err := change(args)
		if err != nil {
			return usageError{err}
		}
		answer, err := client.Configure(cmd.Context(), c)
		if err != nil {
			return err
		}
		return show(o, cmd, answer, func(a *remote.Configured, style terminal.Style) string {
			return terminal.KeyChanged(c, style) + terminal.Configured(a, style)
		})
	})
}

func newModeCommand() *cobra.Command {
	var back bool
	cmd := new(operator).configure(&cobra.Command{
		Use:   "mode [" + strings.Join(batch.Modes, "|") + " | --default]",
		Short: "Say which models of the chain may be used, or go back to the configured mode",
		Long:  "Mode says which families of the model chain may be used. --default goes back to the mode that is configured.",
		Example: `  fluxgate mode flash_only
  fluxgate mode --default`,
		ValidArgs: batch.Modes,
		Args:      cobra.MatchAll(valueOrDefault(&back), oneOf("mode", batch.Modes)),
	}, terminal.ModeInForce, func(args []string) (remote.Change, error) {
		return remote.Change{Mode: quotedOrNull(back, args)}, nil
	})
	cmd.Flags().BoolVar(&back, "default", false, "go back to the configured mode")
	return cmd
}

// preferences are the arguments of prefer.
var preferences = []string{string(config.PreferFree), string(config.PreferPaid), string(config.PreferAny)}

func newPreferCommand() *cobra.Command {
	var back bool
	cmd := new(operator).configure(&cobra.Command{
		Use:   "prefer [" + strings.Join(preferences, "|") + " | --default]",
		Short: "Say which projects are used first, or go back to the configured ones",
		Long: `Prefer says which projects are used first where several have room for the same model: those of the free tier, those of paid
ones, as GEMINI_TIER_n declares them, or any. --default goes back to what is configured.`,
		Example: `  fluxgate prefer free
  fluxgate prefer --default`,
		ValidArgs: preferences,
		Args:      cobra.MatchAll(valueOrDefault(&back), oneOf("preference", preferences)),
	}, terminal.PreferInForce, func(args []string) (remote.Change, error) {
		return remote.Change{Prefer: quotedOrNull(back, args)}, nil
	})
	cmd.Flags().BoolVar(&back, "default", false, "go back to what is configured")
	return cmd
}

// quotedOrNull is the argument as JSON; null is the way back.
func quotedOrNull(back bool, args []string) json.RawMessage {
	if back {
		return json.RawMessage("null")
	}
	return json.RawMessage(strconv.Quote(args[0]))
}

func newDisableCommand() *cobra.Command {
	return new(operator).configure(&cobra.Command{
		Use:     "disable KEY",
		Short:   "Take a key out of use",
		Long:    "Disable takes a key out of use until it is enabled again. KEY is its number in `fluxgate status`.",
		Example: `  fluxgate disable 3`,
		Args:    cobra.ExactArgs(1),
	}, nil, func(args []string) (remote.Change, error) {
		key, err := parseKey(args[0])
		return remote.Change{DisableKey: &key}, err
	})
}

func newEnableCommand() *cobra.Command {
	return new(operator).configure(&cobra.Command{
		Use:     "enable KEY",
		Short:   "Take a key back into use",
		Long:    "Enable takes back a key that was disabled or found invalid. KEY is its number in `fluxgate status`.",
		Example: `  fluxgate enable 3`,
		Args:    cobra.ExactArgs(1),
	}, nil, func(args []string) (remote.Change, error) {
		key, err := parseKey(args[0])
		return remote.Change{EnableKey: &key}, err
	})
}

func newResetCommand() *cobra.Command {
	var o operator
	return o.command(&cobra.Command{
		Use:   "reset KEY",
		Short: "Drop what a provider's errors said of a key and its project",
		Long: `Reset forgets the blocks and the learned limits of the project that a key belongs to, and that the key was found invalid, if it was.
What was sent today stays counted. KEY is its number in ` + "`fluxgate status`" + `.

` + everywhere,
		Example: `  fluxgate reset 3`,
		Args:    cobra.ExactArgs(1),
	}, func(cmd *cobra.Command, client *remote.Client, args []string) error {
		key, err := parseKey(args[0])
		if err != nil {
			return usageError{err}
		}
		answer, err := client.Reset(cmd.Context(), key)
		if err != nil {
			return err
		}
		return show(&o, cmd, answer, func(*remote.Done, terminal.Style) string {
			return fmt.Sprintf("forgotten: blocks and learned limits of the project of key %d, and that the key was invalid, if it was\n", key)
		})
	})
}

func newChainCommand() *cobra.Command {
	var back, force bool
	cmd := new(operator).configure(&cobra.Command{
		Use:   "chain [MODEL,MODEL,... | --default]",
		Short: "Set the models and their order, or go back to the configured ones",
		Long: `Chain sets the models that requests without a model of their own may run on, the best first. A family (pro, flash,
flash_lite, gemma) stands for its models that Gemini lists now. Another provider's model has that one's name before it. A model
that its provider doesn't list is refused, unless --force says so.
--default goes back to the chain that is configured, or else discovered.`,
		Example: `  fluxgate chain gemini-2.5-pro,flash
  fluxgate chain gemini/gemini-3.8-flash,groq/llama-4,anthropic/claude-sonnet-5
  fluxgate chain --default`,
		Args: valueOrDefault(&back),
	}, terminal.ChainInForce, func(args []string) (remote.Change, error) {
		chain := []string{}
		if !back {
			for model := range strings.SplitSeq(args[0], ",") {
				chain = append(chain, strings.TrimSpace(model))
			}
			if slices.Contains(chain, "") {
				return remote.Change{}, fmt.Errorf("%q: want names of models with a comma between", args[0])
			}
		}
		return remote.Change{Chain: &chain, Force: force}, nil
	})
	cmd.Flags().BoolVar(&force, "force", false, "take models that their provider doesn't list, too")
	cmd.Flags().BoolVar(&back, "default", false, "go back to the configured chain")
	return cmd
}

func newLimitsCommand() *cobra.Command {
	var back bool
	cmd := new(operator).configure(&cobra.Command{
		Use:   "limits [JSON | --default]",
		Short: "Set limits of models, or go back to the configured ones",
		Long: `Limits sets requests per minute (rpm), input tokens per minute (tpm) and requests per day (rpd) of models, in the form of
FLUXGATE_LIMITS; -1 is unlimited. Those of one project are under "projects", by its name, and go before those of all. A limit
learned from a provider's answer still counts more if it is lower. --default goes back to the limits that are configured.`,
		Example: `  fluxgate limits '{"gemini-2.5-pro":{"rpm":150,"tpm":2000000,"rpd":-1}}'
  fluxgate limits '{"projects":{"paid":{"flash":{"rpm":1000}}}}'
  fluxgate limits --default`,
		Args: valueOrDefault(&back),
	}, terminal.LimitsInForce, func(args []string) (remote.Change, error) {
		if back {
			return remote.Change{Limits: json.RawMessage("{}")}, nil
		}
		if !isObject([]byte(args[0])) {
			return remote.Change{}, errors.New(`want a JSON object such as {"gemini-2.5-pro":{"rpm":150}}`)
		}
		return remote.Change{Limits: json.RawMessage(args[0])}, nil
	})
	cmd.Flags().BoolVar(&back, "default", false, "go back to the configured limits")
	return cmd
}

// valueOrDefault wants one argument, --default, or neither.
func valueOrDefault(back *bool) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 1 || len(args) == 1 && (*back || args[0] == "") {
			return errors.New("want one value, --default, or neither to see what is in force")
		}
		return nil
	}
}

// oneOf wants one of these words, or none.
func oneOf(what string, words []string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return nil
		case len(args) > 1:
			return fmt.Errorf("want one of %s", strings.Join(words, ", "))
		case slices.Contains(words, args[0]):
			return nil
		}
		err := fmt.Errorf("there is no %s %q: want one of %s", what, args[0], strings.Join(words, ", "))
		if meant := nearest.Word(args[0], words); meant != "" {
			err = fmt.Errorf("%w. Did you mean %s?", err, meant)
		}
		return err
	}
}

func parseKey(text string) (int, error) {
	key, err := strconv.Atoi(text)
	if err != nil || key < 1 {
		return 0, fmt.Errorf("%q: want the number of a key, as in `fluxgate status`", text)
	}
	return key, nil
}
