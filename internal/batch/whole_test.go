package batch

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/batch/subtitles"
	"fluxgate.dev/fluxgate/internal/geminisim"
)

// answerWith is a 200 of /generate.
func answerWith(text, reason string) reply {
	return reply{body: fmt.Sprintf(`{"response":%s,"key_used":1,"model_used":"m","tokens_used":7,"finish_reason":%q}`, quote(text), reason)}
}

func quote(text string) string {
	quoted, err := marshal(text)
	if err != nil {
		panic(err)
	}
	return string(quoted)
}

// What a request's answer lacks decides how often it is sent, as what, and what becomes of it.
func TestAnswersMustBeWhole(t *testing.T) {
	const prompts = "one two three four. five six seven eight.\n"
	for name, c := range map[string]struct {
		input    string
		text     string
		script   func(prompt string, before int) reply
		response string // empty: none
		reason   string
		sent     int
		trouble  string
	}{
		"whole": {"in.txt", prompts, func(string, int) reply { return answerWith("yes", "") }, "yes", "STOP", 1, ""},
		"empty once": {"in.txt", prompts, func(_ string, before int) reply {
			if before == 0 {
				return answerWith(" \n", "")
			}
			return answerWith("yes", "")
		}, "yes", "STOP", 2, ""},
		"a line of JSONL that stays empty": {"in.jsonl", `{"prompt":"p"}`, func(string, int) reply { return answerWith("", "SAFETY") },
			"", "", 2, "the answer is empty (SAFETY)"},
		"a line of JSONL that is cut is kept": {"in.jsonl", `{"prompt":"p"}`, func(string, int) reply { return answerWith("half", "MAX_TOKENS") },
			"half", "MAX_TOKENS", 1, ""},
		"a chunk that is cut is sent in halves": {"in.txt", prompts, func(prompt string, _ int) reply {
			if len(prompt) > 25 {
				return answerWith("half", "MAX_TOKENS")
			}
			return answerWith("re: "+strings.TrimSpace(prompt), "")
		}, "re: one two three four. re: five six seven eight.", "STOP", 3, ""},
		"a chunk that stays cut": {"in.txt", "word", func(string, int) reply { return answerWith("w", "MAX_TOKENS") },
			"w", "MAX_TOKENS", 1, ""},
		"a half that stays empty": {"in.txt", prompts, func(prompt string, _ int) reply {
			if strings.Contains(prompt, "five") {
				return answerWith("", "")
			}
			return answerWith("yes", "")
		}, "", "", 2 + 1 + 2*5, "the answer is empty (STOP)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSetupWith(t, c.input, c.text)
				f := newFake(c.script)
				summary, err := Run(t.Context(), s.options(f))
				require.NoError(t, err)
				results := s.results()
				require.Len(t, results, 1)
				if name != "a half that stays empty" { // how it is divided is for the cutter
					assert.Len(t, f.calls, c.sent)
				}
				assert.Equal(t, c.reason, results[0].FinishReason)
				assert.Equal(t, c.trouble, results[0].Error)
				if c.response == "" {
					assert.Nil(t, results[0].Response)
					assert.Equal(t, 1, summary.Failed)
					return
				}
				assert.Equal(t, c.response, *results[0].Response)
				assert.EqualValues(t, 7*len(f.calls), *results[0].TokensUsed, "what was asked for again is paid for too")
				cut := 0
				if c.reason != "STOP" {
					cut = 1
				}
				assert.Equal(t, cut, summary.Truncated)
				again, err := Run(t.Context(), s.options(newFake(c.script)))
				require.NoError(t, err)
				assert.Equal(t, cut, again.Truncated, "of an earlier run too")
				assert.Zero(t, again.Requests)
			})
		})
	}
}

// The server's own default would cut most chunks.
func TestNoAnswerIsCappedUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetupWith(t, "in.jsonl", `{"prompt":"a"}`+"\n"+`{"prompt":"b","max_tokens":5}`)
		f := newFake(nil)
		_, err := Run(t.Context(), s.options(f))
		require.NoError(t, err)
		assert.Contains(t, f.generated()["a"][0].body, `"max_tokens":0`)
		assert.Contains(t, f.generated()["b"][0].body, `"max_tokens":5`)
	})
}

// translated answers as the simulated Gemini does.
func translated(prompt string, _ int) reply { return answerWith(geminisim.Translate(prompt), "") }

// subtitleOptions has the answers made into subtitles.
func (s *setup) subtitleOptions(f *fakeServer, name string) Options {
	s.output = filepath.Join(s.dir, name)
	o := s.options(f)
	o.Instructions = "Translate to Spanish."
	return o
}

// The texts are the model's, and every other byte is the file's.
func TestSubtitlesInAndOut(t *testing.T) {
	for _, name := range []string{"film.srt", "film.vtt", "film.ass"} {
		for _, breaks := range []string{"\n", "\r\n"} {
			for _, size := range []int{1, 10_000} {
				t.Run(fmt.Sprintf("%s/%q/%d", name, breaks, size), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						data, err := os.ReadFile(filepath.Join("testdata", name))
						require.NoError(t, err)
						text := strings.ReplaceAll(string(data), "\n", breaks)
						s := newSetupWith(t, name, text)
						f := newFake(translated)
						o := s.subtitleOptions(f, "out"+filepath.Ext(name))
						o.ChunkTokens = size
						_, err = Run(t.Context(), o)
						require.NoError(t, err)
						got, err := os.ReadFile(s.output)
						require.NoError(t, err)
						cues, err := subtitles.Parse(subtitles.Format(formatOf(name)), text)
						require.NoError(t, err)
						for i := range cues {
							cues[i].Text = strings.ReplaceAll(geminisim.Translate(strings.ReplaceAll(cues[i].Text, cues[i].LineBreak, "\n")), "\n", cues[i].LineBreak)
						}
						assert.Equal(t, subtitles.Source(cues), string(got))
						assert.NotEqual(t, text, string(got))
						for _, c := range f.calls {
							assert.True(t, strings.HasPrefix(c.prompt, "Translate to Spanish.\n\n"+subtitles.Rule+"\n\n"), c.prompt)
							assert.NotContains(t, c.prompt, "NOTE")
							assert.NotContains(t, c.prompt, "Style")
						}
						assert.Len(t, s.resultsOf(s.output+".results.jsonl"), len(f.calls))
						assert.NoFileExists(t, s.output+".results.jsonl.journal")
					})
				})
			}
		}
	}
}

var cueTimes = regexp.MustCompile(`(?m)^00:.* --> .*$`)

// A model that loses cues of long chunks gets shorter ones; what it can't do at all is told, and stays as it was.
func TestBrokenCuesAreAskedForInHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := subtitleFile(8)
		s := newSetupWith(t, "film.srt", text)
		f := newFake(func(prompt string, _ int) reply {
			answer := geminisim.Translate(prompt)
			if len(cueTimes.FindAllString(prompt, -1)) > 2 || strings.Contains(prompt, "Line 5.") {
				answer = strings.Replace(answer, "-->", "--", 1)
			}
			return answerWith(answer, "")
		})
		o := s.subtitleOptions(f, "out.srt")
		o.ChunkTokens = 50
		summary, err := Run(t.Context(), o)
		require.NoError(t, err)
		got, err := os.ReadFile(s.output)
		require.NoError(t, err)
		assert.Equal(t, cueTimes.FindAllString(text, -1), cueTimes.FindAllString(string(got), -1), "every cue is there")
		assert.Positive(t, summary.Failed)
		assert.Contains(t, string(got), "\nLine 5.\n", "it stays as it was")
		assert.Contains(t, string(got), geminisim.Translate("\nLine 1.\n"))
		var troubles []string
		for _, r := range s.resultsOf(s.output + ".results.jsonl") {
			troubles = append(troubles, r.Error)
		}
		assert.Contains(t, strings.Join(troubles, "\n"), "the answer has")
		assert.Contains(t, s.stderr.String(), "subtitles are in "+s.output+", with 1 chunks as they were")

		again := newFake(translated)
		o = s.subtitleOptions(again, "out.srt")
		o.ChunkTokens = 50
		_, err = Run(t.Context(), o)
		require.NoError(t, err)
		got, err = os.ReadFile(s.output)
		require.NoError(t, err)
		assert.NotContains(t, string(got), "\nLine 5.\n", "what failed is tried again")
	})
}

// Cues whose answers are cut, however few they are, stay as they were: their numbers and
// times aren't taken from a model, and a single cue isn't asked for in parts.
func TestCutCuesStayAsTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := subtitleFile(40)
		s := newSetupWith(t, "film.srt", text)
		f := newFake(func(prompt string, _ int) reply { return answerWith("1\n00:00:00,000 --> 00:", "MAX_TOKENS") })
		o := s.subtitleOptions(f, "out.srt")
		summary, err := Run(t.Context(), o)
		require.NoError(t, err)
		assert.Positive(t, summary.Failed)
		got, err := os.ReadFile(s.output)
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
		for _, c := range f.calls {
			assert.Regexp(t, `(?m)^00:.* --> .*\nLine`, c.prompt, "every part has whole cues")
		}
	})
}

func TestSubtitlesAreMadeOfSubtitles(t *testing.T) {
	s := newSetupWith(t, "in.txt", "text")
	o := s.subtitleOptions(newFake(nil), "out.srt")
	_, err := Run(t.Context(), o)
	assert.ErrorContains(t, err, "the output is to be .srt subtitles: give a file of that kind")
	o.Inputs = append(o.Inputs, o.Inputs[0])
	_, err = Run(t.Context(), o)
	assert.ErrorContains(t, err, "subtitles are made of one file, not of 2")
}

func subtitleFile(cues int) string {
	var text strings.Builder
	for i := range cues {
		fmt.Fprintf(&text, "%d\n00:%02d:%02d,000 --> 00:%02d:%02d,900\nLine %d.\n\n", i+1, i/60, i%60, i/60, i%60, i+1)
	}
	return text.String()
}

// A film of 1,500 cues, whose job is killed twice, ends with every cue.
func TestSubtitlesAfterTwoKills(t *testing.T) {
	const cues = 1500
	if input := os.Getenv("FLUXGATE_SUBTITLE_CHILD"); input != "" {
		_, err := Run(t.Context(), Options{
			Inputs: []string{input}, Output: input + ".es.srt", URL: os.Getenv("FLUXGATE_BATCH_URL"), Concurrency: 4, Quiet: true,
			ChunkTokens: 200,
		})
		t.Fatalf("the child was to be killed, but ended: %v", err)
	}
	s := newSetupWith(t, "film.srt", subtitleFile(cues))
	fake := newFake(translated)
	stopping := newStopping(t, fake)
	for kill := range 2 {
		// At most a dozen of these are not in the journal then: four each are answered, handed
		// over, and being written.
		stopping.killChild(40, "FLUXGATE_SUBTITLE_CHILD="+s.input)
		assert.GreaterOrEqual(t, len(s.journalled(s.input+".es.srt.results.jsonl.journal")), 20*(kill+1))
	}
	o := s.options(fake)
	o.Output, o.ChunkTokens = s.input+".es.srt", 200
	summary, err := Run(t.Context(), o)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, summary.Resumed, 40)
	got, err := os.ReadFile(o.Output)
	require.NoError(t, err)
	assert.Equal(t, geminisim.Translate(subtitleFile(cues)), string(got))
	count, err := parseSubtitles(FormatSRT, string(got))
	require.NoError(t, err)
	assert.Equal(t, cues, count)
}
