package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/remote"
	"fluxgate.dev/fluxgate/internal/terminal"
)

// maxPlanBody is the largest request that is read, in bytes. The server's own limit is FLUXGATE_MAX_BODY.
const maxPlanBody = 256 << 20

func newPlanCommand() *cobra.Command {
	var (
		o           operator
		file, model string
	)
	cmd := o.command(&cobra.Command{
		Use:   "plan [TOKENS]",
		Short: "Ask when a request could go, without booking anything",
		Long: `Plan shows when a request of so many tokens could start, on which model of which project, and what keeps it from every
other one. Nothing is booked. It is asked of the chain, or of one --model. Instead of a number, --file gives a whole request, which is counted as it would be if it were
sent: the body of /generate, of Gemini's generateContent, or of a chat or message with messages in it, which is estimated.`,
		Example: `  fluxgate plan 450000
  fluxgate plan 1.5M
  fluxgate plan 45k --model openai/gpt-5.5
  fluxgate plan --file request.json
  echo '{"prompt":"Hello","mode":"flash_only"}' | fluxgate plan --file - --json`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case (len(args) == 1) == (file != "") || len(args) > 1:
				return errors.New("want either a number of tokens or --file")
			case file != "" && model != "":
				return errors.New("--model: want it in the request of --file")
			}
			return nil
		},
	}, func(cmd *cobra.Command, client *remote.Client, args []string) error {
		body, err := planBody(args, model, file, cmd.InOrStdin())
		if err != nil {
			return usageError{err}
		}
		answer, err := client.Plan(cmd.Context(), body)
		if err != nil {
			return err
		}
		return show(&o, cmd, answer, terminal.Plan)
	})
	cmd.Flags().StringVarP(&model, "model", "m", "", "`model` that it is asked of, another provider's with that one's name before it (default: the chain)")
	cmd.Flags().StringVarP(&file, "file", "f", "", "`file` that holds a request, - for standard input")
	return cmd
}

// planBody returns the body of a plan for a number of tokens, of a model if one is named, or the request in a file.
func planBody(args []string, model, file string, stdin io.Reader) ([]byte, error) {
	if file == "" {
		tokens, err := parseTokens(args[0])
		if err != nil {
			return nil, err
		}
		return json.Marshal(struct {
			Tokens int64  `json:"tokens"`
			Model  string `json:"model,omitempty"`
		}{tokens, model})
	}
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		stdin = f
	}
	body, err := io.ReadAll(io.LimitReader(stdin, maxPlanBody+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxPlanBody:
		return nil, fmt.Errorf("%s: larger than %d bytes. Is it the right file?", file, maxPlanBody)
	case !isObject(body):
		return nil, fmt.Errorf("%s: want a JSON object, the body of a request", file)
	}
	return body, nil
}

// isObject reports whether a text is one JSON object.
func isObject(text []byte) bool {
	var fields map[string]json.RawMessage
	return json.Unmarshal(text, &fields) == nil && fields != nil
}

// parseTokens reads a number as people write it: 450000, 450,000, 450_000, 450k, 1.5M.
func parseTokens(text string) (int64, error) {
	digits, unit := strings.NewReplacer(",", "", "_", "").Replace(text), 1.0
	switch {
	case strings.HasSuffix(digits, "k"), strings.HasSuffix(digits, "K"):
		digits, unit = digits[:len(digits)-1], 1e3
	case strings.HasSuffix(digits, "M"), strings.HasSuffix(digits, "m"):
		digits, unit = digits[:len(digits)-1], 1e6
	}
	n, err := strconv.ParseFloat(digits, 64)
	n *= unit
	if err != nil || n < 1 || n > math.MaxInt32 || n != math.Trunc(n) {
		return 0, fmt.Errorf("%q: want a number of tokens, such as 450000, 450k or 1.5M", text)
	}
	return int64(n), nil
}
