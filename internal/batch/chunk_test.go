package batch

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fluxgate.dev/fluxgate/internal/batch/subtitles"
)

// pieces make texts in which every kind of cut, and no cut at all, can be found.
var pieces = []string{
	"a", "word ", "Sentence. ", "He said “no”. ", "line\n", "\n\n", "\r\n\r\n", " \t\n", "é", "Привет! ", "日本語。", "🙂", "…",
	strings.Repeat("x", 50), strings.Repeat("  ", 20),
}

func TestChunkTextProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 200).Draw(t, "pieces"), "")
		limit := rapid.IntRange(1, 60).Draw(t, "limit")
		checkChunks(t, text, chunkText(text, limit), limit)
	})
}

func TestChunkSubtitlesProperties(t *testing.T) {
	cue := []string{
		"1\n00:00:01,000 --> 00:00:02,000\nHello there\n\n", "00:01.000 --> 00:02.000\nHi\r\n\r\n", "NOTE x\n\n",
		"name\n00:01.000 --> 00:02.000\n" + strings.Repeat("long ", 60) + "\n\n", "\n", "7\n",
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(cue), 0, 40).Draw(t, "cues"), "")
		limit := rapid.IntRange(1, 80).Draw(t, "limit")
		chunks := chunkSubtitles(text, limit)
		checkChunks(t, text, chunks, limit)

		// A boundary lies at a cue unless the cue around it is too large by itself.
		starts := subtitles.Starts(text)
		at := 0
		for _, chunk := range chunks {
			from, to := 0, len(text)
			for n, start := range starts {
				if n > 0 && start <= at {
					from = start
				}
				if n > 0 && start > at {
					to = start
					break
				}
			}
			if at != from {
				assert.Greater(t, estimateTokens(text[from:to]), limit, "cut inside a cue that fits")
			}
			at += len(chunk)
		}
	})
}

func checkChunks(t *rapid.T, text string, chunks []string, limit int) {
	require.Equal(t, text, strings.Join(chunks, ""))
	for _, chunk := range chunks {
		require.NotEmpty(t, chunk)
		require.LessOrEqual(t, estimateTokens(chunk), limit)
		require.True(t, utf8.ValidString(chunk), "cut inside a character")
	}
}

func TestChunkTextPrefersTheLargerUnit(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		limit int
		first string
	}{
		"paragraph before sentence":      {"One two three.\n\nFour. Five six seven eight.", 6, "One two three.\n\n"},
		"carriage returns too":           {"One two three.\r\n\r\nFour. Five six seven eight.", 6, "One two three.\r\n\r\n"},
		"sentence before line":           {"One two. Three\nfour five six seven", 4, "One two. "},
		"sentence keeps closing quote":   {"“One two.” Three four five six seven", 6, "“One two.” "},
		"line before word":               {"one two thr\nfour five six seven", 5, "one two thr\n"},
		"word":                           {"one two three four five six", 4, "one two three "},
		"nothing to cut at":              {"abcdefghijklmnop", 2, "abcdefgh"},
		"a tiny paragraph is not enough": {"Hi\n\nOne two three four five six seven.", 6, "Hi\n\nOne two three four "},
		"full stops without spaces":      {"日本。語日本語日", 4, "日本。"},
		"a decimal point ends nothing":   {"abc 3.14159 and more", 2, "abc "},
		"exactly full":                   {"abcdefgh", 2, "abcdefgh"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.first, chunkText(c.text, c.limit)[0])
		})
	}
}

func TestSubtitleFixtures(t *testing.T) {
	for name, want := range map[string][]string{
		// The third cue's text is a number, as a cue's number is: it must not be taken for one.
		"testdata/film.srt": {"1\n", "2\n", "3\n", "4\n"},
		// Header and styles go with the first cue; a note goes with the cue before it; a name with its own.
		"testdata/film.vtt": {"WEBVTT", "00:04", "3\n"},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			// One cue to a chunk: the limit is the largest cue's size.
			starts := append(subtitles.Starts(string(data))[1:], len(data))
			largest, from := 0, 0
			for _, to := range starts {
				largest = max(largest, estimateTokens(string(data)[from:to]))
				from = to
			}
			all := chunkSubtitles(string(data), 10_000)
			require.Len(t, all, 1, "everything fits")
			chunks := chunkSubtitles(string(data), largest)
			require.Equal(t, string(data), strings.Join(chunks, ""))
			var cues []string
			for _, chunk := range chunks {
				cues = append(cues, chunkSubtitles(chunk, largest)...)
				assert.Contains(t, chunk, "-->")
			}
			at := 0
			for n, to := range starts {
				assert.True(t, strings.HasPrefix(string(data)[at:to], want[n]), "cue %d begins with %q", n, want[n])
				at = to
			}
			assert.Equal(t, chunks, cues, "a chunk that fits isn't cut again")
		})
	}
}

func TestEstimateTokens(t *testing.T) {
	for text, want := range map[string]int{"": 0, "a": 1, "abcd": 1, "abcde": 2, "éé": 1, "日本": 2, "🙂": 1} {
		assert.Equal(t, want, estimateTokens(text), text)
	}
}

// Chunks of cues, one after another, are all of them, and none is larger than it may be but for a single cue.
func TestChunkCuesProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cues, err := subtitles.Parse(subtitles.SRT, subtitleFile(rapid.IntRange(1, 40).Draw(t, "cues")))
		require.NoError(t, err)
		most := rapid.IntRange(1, 100).Draw(t, "most")
		var joined []subtitles.Cue
		for _, chunk := range chunkCues(cues, most) {
			joined = append(joined, chunk...)
			assert.True(t, len(chunk) == 1 || estimateTokens(subtitles.Shown(chunk)) <= most)
		}
		assert.Equal(t, cues, joined)
	})
}
