package terminal

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/remote"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a picture with the one that somebody has looked at.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "go test ./internal/terminal -update, then look at the difference")
}

// fits checks what every picture has to keep to.
func fits(t *testing.T, picture string, width int) {
	t.Helper()
	for line := range strings.SplitSeq(picture, "\n") {
		assert.LessOrEqual(t, text.StringWidthWithoutEscSequences(line), width, line)
		assert.Equal(t, strings.TrimRight(line, " "), line, "blanks at the end")
	}
}

// load reads an answer as the client does.
func load[T any](t *testing.T, path string) *T {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var v T
	require.NoError(t, json.Unmarshal(data, &v))
	return &v
}

// The status that the client's own tests read: a pool with a key in every state.
const statusFile = "../remote/testdata/status.json"

func TestStatus(t *testing.T) {
	s := load[remote.Status](t, statusFile)
	o := StatusOptions{URL: "https://fluxgate-x.run.app", Events: 2, Days: 1, All: true}
	for _, width := range []int{80, 120} {
		picture := Status(s, o, Style{Width: width})
		golden(t, fmt.Sprintf("status-%d.txt", width), picture)
		fits(t, picture, width)
		assert.NotContains(t, picture, "\x1b")

		coloured := Status(s, o, Style{Width: width, Colour: true})
		assert.Contains(t, coloured, "\x1b[31minvalid\x1b[0m")
		bare := regexp.MustCompile(`\x1b\[[0-9]+m`).ReplaceAllString(coloured, "")
		assert.Equal(t, picture, regexp.MustCompile(` +\n`).ReplaceAllString(bare, "\n"), "colours move nothing")
	}
	// For a program nothing is cut, and every row can be told by itself.
	whole := Status(s, o, Style{})
	golden(t, "status-piped.txt", whole)
	assert.NotContains(t, whole, "…")
	assert.Equal(t, 1, strings.Count(whole, "a hundred and twenty as well"))
	assert.Equal(t, 3, len(regexp.MustCompile(`(?m)^team-a +gemini-2.5`).FindAllString(whole, -1)))
}

// Where there are keys of other providers, each says whose it is.
func TestStatusNamesProviders(t *testing.T) {
	s := load[remote.Status](t, statusFile)
	assert.NotContains(t, Status(s, StatusOptions{}, Style{}), "PROVIDER")
	s.Keys = append(s.Keys, remote.Key{Index: 100001, Provider: "openai", Project: "org-a", Status: remote.Healthy})
	for _, width := range []int{0, 80, 120} {
		picture := Status(s, StatusOptions{}, Style{Width: width})
		assert.Regexp(t, `(?m)^ *1 +\w+ +gemini +`, picture)
		assert.Regexp(t, `(?m)^ *100001 +healthy +openai +org-a`, picture)
		assert.Contains(t, picture, "(of all providers, today)")
		if width > 0 {
			fits(t, picture, width)
		}
	}
}

// A narrow terminal loses columns, never the shape.
func TestStatusOnNarrowTerminals(t *testing.T) {
	s := load[remote.Status](t, statusFile)
	for width := 30; width < 140; width++ {
		picture := Status(s, StatusOptions{URL: "http://x", Events: 3, Days: 9}, Style{Width: width})
		for line := range strings.SplitSeq(picture, "\n") {
			if strings.HasPrefix(line, "http://x at") || strings.HasSuffix(line, "could start") || strings.HasSuffix(line, "built in") {
				continue // headings, which the terminal wraps
			}
			require.LessOrEqual(t, text.StringWidthWithoutEscSequences(line), width, line)
		}
	}
}

// A caller who isn't an administrator sees neither callers nor events, and a new deployment has nothing to show yet.
func TestStatusOfAnEmptyPool(t *testing.T) {
	now := time.Date(2026, 11, 25, 22, 0, 0, 0, time.UTC)
	picture := Status(&remote.Status{
		Keys: []remote.Key{{Index: 1, Status: "unknown", Fingerprint: "1a2b3c4d", Project: "team-a"}},
		Mode: "both", ModelChain: []string{"gemini-2.5-pro"}, Now: now, ResetsAt: now.Add(10 * time.Hour),
		Projects: []remote.Project{{Project: "team-a"}},
	}, StatusOptions{URL: "http://127.0.0.1:8080", Events: 5}, Style{Width: 80})
	golden(t, "status-empty.txt", picture)
	fits(t, picture, 80)
}

// Names and reasons come from others. None may move the cursor, break a row or hide behind a colour.
func TestStatusCleansWhatItShows(t *testing.T) {
	s := load[remote.Status](t, statusFile)
	const evil = "\x1b[2J\x1b]0;owned\a\r\nroot\u202e"
	s.Mode, s.ModelChain, s.ChainSource = evil, []string{evil}, evil
	s.Keys[0].Reason, s.Keys[0].Status, s.Keys[0].Project, s.Keys[0].Fingerprint = evil, evil, evil, evil
	s.Projects[0].Project, s.Projects[0].Models[0].Model, s.Projects[0].Models[0].RPM.Source = evil, evil, evil
	s.Projects[0].Models[1].Block.Cause = evil
	s.Callers[0].Caller, s.Events[0].Who, s.Events[0].What, s.History[0].Model, s.History[0].Day = evil, evil, evil, evil, evil
	s.Reported.Error, s.Errors = evil, map[string]int64{evil: 1}
	for _, style := range []Style{{}, {Width: 80}, {Width: 120}} {
		picture := Status(s, StatusOptions{URL: evil, Events: 9, Days: 9}, style)
		assert.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x7f\x{202e}]`, picture)
		assert.NotRegexp(t, `(?m)^root`, picture)
	}
}

func TestPlan(t *testing.T) {
	now := time.Date(2026, 11, 25, 22, 11, 26, 0, time.UTC)
	soon, later := now.Add(38*time.Second), now.Add(10*time.Hour)
	limits := remote.Limits{RPM: 5, TPM: 250_000, RPD: 100}
	p := remote.Plan{
		Tokens: 450_000, Counted: true, Now: now,
		Candidates: []remote.Candidate{
			{Project: "team-b", Model: "gemini-2.5-pro", Start: &soon, WaitMs: 38_000, Cause: "tpm", Limits: limits},
			{Project: "translation-staging-europe-west4", Model: "gemini-2.5-flash-lite", Start: &later, Cause: "upstream_day", Limits: remote.Limits{RPM: 15, TPM: 250_000, RPD: -1}},
			{Project: "team-a", Model: "gemini-2.5-flash", Start: &now, Limits: limits},
			{Project: "key-a1b2c3d4", Model: "gemini-2.5-pro", Cause: "no_usable_key", Limits: limits},
		},
	}
	p.Best = &p.Candidates[0]
	for _, width := range []int{80, 120} {
		picture := Plan(&p, Style{Width: width})
		golden(t, fmt.Sprintf("plan-%d.txt", width), picture)
		fits(t, picture, width)
	}
	assert.Equal(t, "request    2,000,000 tokens\ncould go   never\n", Plan(&remote.Plan{Tokens: 2_000_000, Now: now}, Style{}))
	p.Best = &p.Candidates[2]
	assert.Contains(t, Plan(&p, Style{}), "could go   now: gemini-2.5-flash on team-a\n")
}

func TestValidation(t *testing.T) {
	now := time.Date(2026, 11, 25, 22, 0, 0, 0, time.UTC)
	picture := Validation(&remote.Validation{At: now, Running: true, Keys: []remote.Key{
		{Index: 1, Project: "team-a", Status: "healthy"},
		{Index: 2, Project: "team-a", Status: "exhausted", Until: now.Add(10 * time.Hour)},
		{Index: 13, Project: "team-b", Status: "invalid", Reason: "Your API key was reported as leaked. Please use another API key."},
	}}, Style{Width: 80})
	golden(t, "validate-80.txt", picture)
	fits(t, picture, 80)
}

func TestPolicyReport(t *testing.T) {
	golden(t, "policy-80.txt", PolicyReport(&remote.PolicyReport{
		Models: map[string]remote.Limits{
			"gemini-2.5-pro": {RPM: 5, TPM: 250_000, RPD: 100}, "gemini-2.5-flash": {RPM: 10, TPM: 1_234_567, RPD: -1},
		},
		Refused: []remote.RefusedLimit{{Model: "gemini-2.5-pro", Limit: "rpm", Value: 999_999, Most: 10}},
	}, Style{Width: 80}))
}

func TestConfigured(t *testing.T) {
	assert.Equal(t, `mode       both
chain      m1 > m2
limits     m1: RPM 150, RPD ∞
limits     m2: TPM 2M
`, Configured(&remote.Configured{Mode: "both", ModelChain: []string{"m1", "m2"}, Limits: map[string]map[string]int64{
		"m2": {"tpm": 2_000_000}, "m1": {"rpm": 150, "rpd": -1},
	}}, Style{Width: 80}))
	assert.Contains(t, Configured(&remote.Configured{Mode: "both", ModelChain: []string{"nosuch"}, Unlisted: []string{"nosuch"}}, Style{}),
		"unlisted   nosuch: not among the models that Gemini lists")
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 999: "999", 1000: "1000", 9999: "9999", 10_000: "10k", 12_345: "12k", 999_499: "999k", 999_500: "1M",
		1_000_000: "1M", 1_250_000: "1.2M", 9_949_999: "9.9M", 9_950_000: "10M", 250_000_000: "250M", 7_000_000_000_000: "7T", -1: "-1",
	} {
		assert.Equal(t, want, compact(n), n)
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1_234_567: "1,234,567", -999: "-999", -123456: "-123,456"} {
		assert.Equal(t, want, exact(n))
	}
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 11, 25, 22, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		-time.Hour: "now", 0: "now", time.Millisecond: "1s", 37*time.Second + time.Nanosecond: "38s", 60 * time.Second: "1m00s",
		time.Hour - time.Nanosecond: "1h00m", 26 * time.Hour: "1d02h",
	} {
		until := now.Add(d)
		assert.Equal(t, want, wait(now, &until), d)
	}
	assert.Equal(t, "never", wait(now, nil))
	assert.Equal(t, "never", ago(now, time.Time{}))
	assert.Equal(t, "0s ago", ago(now, now.Add(time.Second)), "clocks differ")
	assert.Equal(t, "4m05s ago", ago(now, now.Add(-4*time.Minute-5*time.Second-time.Millisecond)))
	tokyo := time.FixedZone("JST", 9*60*60)
	assert.Equal(t, "07:00 JST", Style{Zone: tokyo}.clock(now, "15:04"))
}

func TestStyleOf(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer file.Close()
	t.Setenv("COLUMNS", "")
	assert.Equal(t, Style{Zone: time.Local}, StyleOf(file))
	t.Setenv("COLUMNS", "72")
	assert.Equal(t, Style{Width: 72, Zone: time.Local}, StyleOf(file), "no colours in a file")
}

// Of a large pool only what is in use fills the screen, unless all is asked for.
func TestStatusHidesIdleModels(t *testing.T) {
	s := load[remote.Status](t, statusFile)
	l := remote.Limit{Limit: 5, Source: remote.SourceDefault}
	s.Projects = append(s.Projects, remote.Project{Project: "team-idle", Models: []remote.Model{{Model: "gemini-idle", RPM: l, TPM: l, RPD: l}}})
	assert.NotContains(t, Status(s, StatusOptions{}, Style{Width: 80}), "gemini-idle")
	assert.Regexp(t, `team-idle +\(none in use\)`, Status(s, StatusOptions{}, Style{Width: 80}))
	assert.Contains(t, Status(s, StatusOptions{All: true}, Style{Width: 80}), "gemini-idle")
	s.Projects[len(s.Projects)-1].Models[0].RPM.Source = remote.SourceLearned
	assert.Contains(t, Status(s, StatusOptions{}, Style{Width: 80}), "gemini-idle", "what was learned is worth a row")
}

// Projects that have a model all alike are "all", though others don't have it.
func TestLimitsInForce(t *testing.T) {
	of := func(model string) []remote.Model {
		return []remote.Model{{Model: model, RPM: remote.Limit{Limit: 5, Source: "default"}, TPM: remote.Limit{Limit: 250_000, Source: "default"}, RPD: remote.Limit{Limit: 100, Source: "default"}}}
	}
	out := LimitsInForce(&remote.Status{ModelChain: []string{"gemini-2.5-pro"}, Projects: []remote.Project{
		{Project: "a", Models: of("gemini-2.5-pro")}, {Project: "b", Models: of("gemini-2.5-pro")}, {Project: "c", Models: of("openai/gpt-5.5")},
	}}, Style{})
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 3)
	assert.True(t, strings.HasSuffix(lines[1], "  all"), out)
	assert.True(t, strings.HasSuffix(lines[2], "  c"), out)

	unlimited := remote.Limit{Limit: -1, Source: "default"}
	out = LimitsInForce(&remote.Status{Projects: []remote.Project{{Project: "c", Models: of("anthropic/claude"), Features: []remote.Model{
		{Model: "output of anthropic/claude", RPM: unlimited, TPM: remote.Limit{Limit: 8000, Source: remote.SourceLearned}, RPD: unlimited},
		{Model: "search", RPM: unlimited, TPM: unlimited, RPD: unlimited},
	}}}}, Style{})
	assert.Regexp(t, `Limits beside those of a model's minute\nOF +TOKENS +PROJECT\noutput of anthropic/claude +8000 \(learned\) +c\n$`, out)
	assert.NotContains(t, out, "search", "which isn't limited")
}

// Where there are keys of other providers, each that was checked says whose it is.
func TestValidationNamesProviders(t *testing.T) {
	found := &remote.Validation{Keys: []remote.Key{{Index: 1, Project: "a", Status: remote.Healthy}}}
	assert.NotContains(t, Validation(found, Style{}), "PROVIDER")
	found.Keys = append(found.Keys, remote.Key{Index: 300001, Provider: "groq", Project: "org-a", Status: remote.Invalid, Reason: "KEY_INVALID"})
	out := Validation(found, Style{})
	assert.Regexp(t, `(?m)^ +1 +healthy +gemini +a`, out)
	assert.Regexp(t, `(?m)^ *300001 +invalid +groq +org-a +KEY_INVALID`, out)
}
