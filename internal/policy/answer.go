package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// Limits are the numbers that Gemini reported for one model and that were taken; nil where none was.
type Limits struct {
	RPM *int64 `json:"rpm,omitempty"` // requests per minute
	TPM *int64 `json:"tpm,omitempty"` // input tokens per minute
	RPD *int64 `json:"rpd,omitempty"` // requests per Pacific day
}

// Refusal is a number that was not taken.
type Refusal struct {
	Model string `json:"model"`
	Limit string `json:"limit"` // rpm, tpm or rpd
	// Value is the number as it was reported, or a JSON string of at most [maxValue] bytes if it was anything else.
	Value json.RawMessage `json:"value"`
	Least int64           `json:"least"` // the lowest that would have been taken
	Most  int64           `json:"most"`  // the highest: twice the default
}

// maxValue bounds Refusal.Value, in bytes of the reported value.
const maxValue = 32

// The three limits, by their names in the question and in the record.
var fields = []struct {
	name, short string
	of          func(scheduler.Limits) int64
	in          func(*Limits) **int64
}{
	{"requests_per_minute", "rpm", func(l scheduler.Limits) int64 { return l.RPM }, func(l *Limits) **int64 { return &l.RPM }},
	{"tokens_per_minute", "tpm", func(l scheduler.Limits) int64 { return l.TPM }, func(l *Limits) **int64 { return &l.TPM }},
	{"requests_per_day", "rpd", func(l scheduler.Limits) int64 { return l.RPD }, func(l *Limits) **int64 { return &l.RPD }},
}

// The ways in which an answer is of no use. Their texts are shown, so none quotes the answer.
var (
	errEmpty     = errors.New("the answer is empty")
	errNotJSON   = errors.New("the answer is not the JSON that was asked for")
	errNoNumbers = errors.New("the answer has no number that can be taken")
)

// parseAnswer returns the numbers of an answer that can be taken, and those that are refused.
func parseAnswer(resp *upstream.Reply, asked []string) (map[string]Limits, []Refusal, error) {
	if resp.BlockReason != "" {
		return nil, nil, fmt.Errorf("the question was blocked (%s)", clip(resp.BlockReason, maxName))
	}
	text := unfence(resp.Text)
	if text == "" {
		return nil, nil, withFinishReason(errEmpty, resp)
	}
	var answer struct {
		Models []map[string]json.RawMessage `json:"models"`
	}
	if json.Unmarshal([]byte(text), &answer) != nil {
		return nil, nil, withFinishReason(errNotJSON, resp)
	}
	models, refused := accept(answer.Models, asked)
	if len(models) == 0 {
		return nil, refused, errNoNumbers
	}
	return models, refused, nil
}

// withFinishReason adds why the model stopped, where it didn't come to its end.
func withFinishReason(err error, resp *upstream.Reply) error {
	if resp.FinishReason == "" || resp.FinishReason == "STOP" {
		return err
	}
	return fmt.Errorf("%w (%s)", err, clip(resp.FinishReason, maxName))
}

// unfence returns the text without surrounding space and without the Markdown fence that it may stand in as a whole.
func unfence(text string) string {
	text = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "\uFEFF"))
	inner, fenced := strings.CutPrefix(text, "```")
	if !fenced {
		return text
	}
	inner, closed := strings.CutSuffix(inner, "```")
	language, body, lines := strings.Cut(inner, "\n")
	if !closed || !lines || !slices.Contains([]string{"", "json"}, strings.ToLower(strings.TrimSpace(language))) {
		return text
	}
	return strings.TrimSpace(body)
}

// accept applies the rules of the package documentation to every number of a model that was asked for.
func accept(entries []map[string]json.RawMessage, asked []string) (map[string]Limits, []Refusal) {
	models := map[string]Limits{}
	var refused []Refusal
	for _, entry := range entries {
		var name string
		if json.Unmarshal(entry["model"], &name) != nil {
			continue
		}
		name = strings.TrimPrefix(strings.TrimSpace(name), "models/")
		if !slices.Contains(asked, name) {
			continue
		}
		limits := models[name]
		for _, f := range fields {
			raw := entry[f.name]
			if len(raw) == 0 || string(raw) == "null" {
				continue
			}
			least, most := bounds(name, f.of)
			n, ok := number(raw)
			if !ok || n < least || n > most {
				refused = append(refused, Refusal{name, f.short, shown(raw), least, most})
				continue
			}
			if builtIn(name) {
				n = min(n, f.of(defaults(name)))
			}
			if known := *f.in(&limits); known == nil || n < *known {
				*f.in(&limits) = &n
			}
		}
		if limits != (Limits{}) {
			models[name] = limits
		}
	}
	return models, refused[:min(len(refused), maxRefused)]
}

// maxRefused bounds what one answer leaves in the record.
const maxRefused = 3 * scheduler.MaxModels

func defaults(model string) scheduler.Limits {
	return scheduler.DefaultLimits(scheduler.FamilyOf(model))
}

// builtIn reports whether the model itself is built in, and has more than the limits of its family.
func builtIn(model string) bool { return slices.Contains(scheduler.DefaultChain(), model) }

// bounds returns the lowest and the highest number that is taken for a limit of a model.
func bounds(model string, of func(scheduler.Limits) int64) (least, most int64) {
	d := of(defaults(model))
	return max(1, d/100), 2 * d
}

// grouped is a whole number as people write it: with or without commas between groups of three.
var grouped = regexp.MustCompile(`^(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})$`)

// number reads a whole number from JSON, or from a string that holds one.
func number(raw json.RawMessage) (int64, bool) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if text = strings.TrimSpace(text); !grouped.MatchString(text) {
			return 0, false
		}
		n, err := strconv.ParseInt(strings.ReplaceAll(text, ",", ""), 10, 64)
		return n, err == nil
	}
	var f float64
	if json.Unmarshal(raw, &f) != nil || f != math.Trunc(f) || math.Abs(f) > 1e15 {
		return 0, false // 1e15 is far above any limit, and below it a float64 is exact
	}
	return int64(f), true
}

// shown returns a reported value in a form that is short and safe to keep: a number as it is, anything else as a string.
func shown(raw json.RawMessage) json.RawMessage {
	var n json.Number
	if len(raw) <= maxValue && raw[0] != '"' && json.Unmarshal(raw, &n) == nil {
		return slices.Clone(raw)
	}
	text := string(raw)
	_ = json.Unmarshal(raw, &text) // what isn't a string is shown as its JSON
	quoted, _ := json.Marshal(clip(text, maxValue))
	return quoted
}

// clip cuts a text to at most n bytes and removes what isn't UTF-8.
func clip(s string, n int) string {
	return strings.ToValidUTF8(s[:min(len(s), n)], "")
}
