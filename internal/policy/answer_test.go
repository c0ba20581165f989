package policy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/upstream"
)

const (
	pro    = "gemini-2.5-pro"        // built in: 5, 250,000 and 100
	lite35 = "gemini-3.5-flash-lite" // not built in: 15, 250,000 and 1000 by its family
	other  = "gemini-2.5-flash"      // not asked for
)

var asked = []string{pro, lite35}

func limits(rpm, tpm, rpd int64) Limits {
	pointer := func(n int64) *int64 {
		if n < 0 {
			return nil
		}
		return &n
	}
	return Limits{pointer(rpm), pointer(tpm), pointer(rpd)}
}

// entry is a model of an answer. Each number is JSON; empty leaves it out.
func entry(model, rpm, tpm, rpd string) string {
	fields := []string{`"model":` + quote(model)}
	for name, raw := range map[string]string{"requests_per_minute": rpm, "tokens_per_minute": tpm, "requests_per_day": rpd} {
		if raw != "" {
			fields = append(fields, `"`+name+`":`+raw)
		}
	}
	return "{" + strings.Join(fields, ",") + "}"
}

func quote(s string) string {
	raw, _ := json.Marshal(s)
	return string(raw)
}

func answerOf(entries ...string) string { return `{"models":[` + strings.Join(entries, ",") + `]}` }

func TestJudge(t *testing.T) {
	refusal := func(model, limit, value string, least, most int64) Refusal {
		return Refusal{model, limit, json.RawMessage(value), least, most}
	}
	for _, tc := range []struct {
		name    string
		entries []string
		want    map[string]Limits
		refused []Refusal
	}{
		{"lower than the default", []string{entry(pro, "2", "125000", "50")}, map[string]Limits{pro: limits(2, 125_000, 50)}, nil},
		{"the default itself", []string{entry(pro, "5", "250000", "100")}, map[string]Limits{pro: limits(5, 250_000, 100)}, nil},
		{"between the default and twice of it: a built-in model isn't raised", []string{entry(pro, "10", "400000", "101")},
			map[string]Limits{pro: limits(5, 250_000, 100)}, nil},
		{"a model without limits of its own is filled in, above its family's too", []string{entry(lite35, "30", "250000", "500")},
			map[string]Limits{lite35: limits(30, 250_000, 500)}, nil},
		{"more than twice the default", []string{entry(pro, "11", "500001", "10000"), entry(lite35, "31", "1", "2001")}, nil,
			[]Refusal{
				refusal(pro, "rpm", "11", 1, 10), refusal(pro, "tpm", "500001", 2500, 500_000), refusal(pro, "rpd", "10000", 1, 200),
				refusal(lite35, "rpm", "31", 1, 30), refusal(lite35, "tpm", "1", 2500, 500_000), refusal(lite35, "rpd", "2001", 10, 2000),
			}},
		{"one refused, the others taken", []string{entry(pro, "2", "1e300", "20")}, map[string]Limits{pro: limits(2, -1, 20)},
			[]Refusal{refusal(pro, "tpm", "1e300", 2500, 500_000)}},
		{"zero, negative, a fraction", []string{entry(pro, "0", "-1", "4.5")}, nil, []Refusal{
			refusal(pro, "rpm", "0", 1, 10), refusal(pro, "tpm", "-1", 2500, 500_000), refusal(pro, "rpd", "4.5", 1, 200)}},
		{"beyond any number", []string{entry(pro, "1e999", "99999999999999999999", strings.Repeat("9", 100))}, nil, []Refusal{
			refusal(pro, "rpm", "1e999", 1, 10), refusal(pro, "tpm", "99999999999999999999", 2500, 500_000),
			refusal(pro, "rpd", `"`+strings.Repeat("9", maxValue)+`"`, 1, 200)}},
		{"other ways to write a whole number", []string{entry(pro, "2.0", `" 125,000 "`, `"50"`)},
			map[string]Limits{pro: limits(2, 125_000, 50)}, nil},
		{"an exponent", []string{entry(pro, "", "1.25e5", "")}, map[string]Limits{pro: limits(-1, 125_000, -1)}, nil},
		{"texts that are no number", []string{entry(pro, `"NaN"`, `"250k"`, `"1,00"`), entry(lite35, `"1.000"`, `""`, `"ten <b>"`)}, nil,
			[]Refusal{
				refusal(pro, "rpm", `"NaN"`, 1, 10), refusal(pro, "tpm", `"250k"`, 2500, 500_000), refusal(pro, "rpd", `"1,00"`, 1, 200),
				refusal(lite35, "rpm", `"1.000"`, 1, 30), refusal(lite35, "tpm", `""`, 2500, 500_000),
				refusal(lite35, "rpd", quote("ten <b>"), 10, 2000),
			}},
		{"values of another kind", []string{entry(pro, "true", "[1]", `{"n":1}`)}, nil, []Refusal{
			refusal(pro, "rpm", `"true"`, 1, 10), refusal(pro, "tpm", `"[1]"`, 2500, 500_000), refusal(pro, "rpd", `"{\"n\":1}"`, 1, 200)}},
		{"nothing said", []string{entry(pro, "null", "", "null")}, nil, nil},
		{"models that weren't asked for", []string{entry(other, "1", "2500", "1"), entry("", "1", "2500", "1"),
			`{"model":7,"requests_per_minute":1}`, `{"requests_per_minute":1}`, `null`}, nil, nil},
		{"the collection before the name", []string{entry(" models/"+pro, "2", "", "")}, map[string]Limits{pro: limits(2, -1, -1)}, nil},
		{"twice: the lower holds, whatever the order", []string{entry(pro, "2", "150000", ""), entry(pro, "3", "125000", "50")},
			map[string]Limits{pro: limits(2, 125_000, 50)}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, refused, err := parseAnswer(&upstream.Reply{Text: answerOf(tc.entries...), FinishReason: "STOP"}, asked)
			assert.Equal(t, tc.want, got)
			assert.Equal(t, tc.refused, refused)
			if tc.want == nil {
				assert.ErrorIs(t, err, errNoNumbers)
			} else {
				assert.NoError(t, err)
			}
			raw, err := json.Marshal(refused)
			require.NoError(t, err, "what is kept of a value is JSON: %s", raw)
		})
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	var entries []string
	for range maxRefused {
		entries = append(entries, entry(pro, "999", "0", "-1"))
	}
	_, refused, err := parseAnswer(&upstream.Reply{Text: answerOf(entries...)}, asked)
	assert.ErrorIs(t, err, errNoNumbers)
	assert.Len(t, refused, maxRefused)
}

func TestRead(t *testing.T) {
	good := answerOf(entry(pro, "2", "125000", "50"))
	for _, tc := range []struct {
		name, text, finish, block string
		err                       string
	}{
		{name: "plain", text: good, finish: "STOP"},
		{name: "space and a byte order mark", text: "\n\uFEFF " + good + "\n"},
		{name: "fenced", text: "```json\n" + good + "\n```"},
		{name: "fenced, without a language", text: "  ```\r\n" + good + "```  "},
		{name: "fenced, in capitals", text: "```JSON \n\n" + good + "\n\n```\n"},
		{name: "complete in spite of the limit", text: good, finish: "MAX_TOKENS"},

		{name: "a fence of another language", text: "```yaml\n" + good + "\n```", err: errNotJSON.Error()},
		{name: "a fence that isn't closed", text: "```json\n" + good, err: errNotJSON.Error()},
		{name: "prose around it", text: "Here you are:\n```json\n" + good + "\n```", err: errNotJSON.Error()},
		{name: "something behind it", text: good + good, err: errNotJSON.Error()},
		{name: "cut off", text: good[:len(good)/2], finish: "MAX_TOKENS", err: errNotJSON.Error() + " (MAX_TOKENS)"},
		{name: "not a number in JSON", text: answerOf(entry(pro, "NaN", "1", "1")), finish: "STOP", err: errNotJSON.Error()},
		{name: "JSON of another form", text: `["gemini-2.5-pro"]`, err: errNotJSON.Error()},
		{name: "entries of another form", text: `{"models":["gemini-2.5-pro"]}`, err: errNotJSON.Error()},
		{name: "refusal in prose", text: "I'm sorry, but I can't help with that.", finish: "STOP", err: errNotJSON.Error()},
		{name: "refusal in JSON", text: `{"error":"I can't help with that."}`, finish: "STOP", err: errNoNumbers.Error()},
		{name: "no models", text: answerOf(), err: errNoNumbers.Error()},
		{name: "null", text: `null`, err: errNoNumbers.Error()},
		{name: "empty", text: "", finish: "STOP", err: errEmpty.Error()},
		{name: "an empty fence", text: "```json\n```", err: errEmpty.Error()},
		{name: "stopped", finish: "SAFETY", err: errEmpty.Error() + " (SAFETY)"},
		{name: "blocked", block: "PROHIBITED_CONTENT", err: "the question was blocked (PROHIBITED_CONTENT)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _, err := parseAnswer(&upstream.Reply{Text: tc.text, FinishReason: tc.finish, BlockReason: tc.block}, asked)
			if tc.err != "" {
				assert.EqualError(t, err, tc.err, "and nothing that the model said")
				assert.Nil(t, got)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, map[string]Limits{pro: limits(2, 125_000, 50)}, got)
		})
	}
}

func TestQuestion(t *testing.T) {
	q := limitsRequest(asked)
	assert.Empty(t, q.Model, "whoever admits it chooses")
	require.NotNil(t, q.Temperature)
	assert.Zero(t, *q.Temperature)
	raw, err := json.Marshal(q.Schema)
	require.NoError(t, err)
	assert.JSONEq(t, `{"type":"OBJECT","required":["models"],"properties":{"models":{"type":"ARRAY","items":{"type":"OBJECT",
		"required":["model","requests_per_minute","tokens_per_minute","requests_per_day"],
		"propertyOrdering":["model","requests_per_minute","tokens_per_minute","requests_per_day"],
		"properties":{"model":{"type":"STRING","enum":["gemini-2.5-pro","gemini-3.5-flash-lite"]},
			"requests_per_minute":{"type":"INTEGER","nullable":true},"tokens_per_minute":{"type":"INTEGER","nullable":true},
			"requests_per_day":{"type":"INTEGER","nullable":true}}}}}}`, string(raw))
	assert.EqualValues(t, len(q.Pieces[0].Text)+len(raw), TokenBound(q))
	for _, model := range asked {
		assert.Contains(t, q.Pieces[0].Text, model)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(answerOf(entry(pro, "2", `"125,000"`, "1e9")))
	f.Add("```json\n" + answerOf(entry(lite35, "-0", "null", "{}")) + "\n```")
	f.Fuzz(func(t *testing.T, text string) {
		models, refused, err := parseAnswer(&upstream.Reply{Text: text}, asked)
		assert.Equal(t, err == nil, len(models) > 0)
		rec := record{Reported: Reported{Models: models, Refused: refused}}
		back, readable := decode(rec.encode())
		assert.True(t, readable)
		assert.Len(t, back.Refused, len(refused))
		for model, l := range models {
			for _, field := range fields {
				if n := *field.in(&l); n != nil {
					least, most := bounds(model, field.of)
					assert.True(t, *n >= least && *n <= most && (!builtIn(model) || *n <= field.of(defaults(model))), "%s %d", model, *n)
				}
			}
		}
	})
}
