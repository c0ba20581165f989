package subtitles

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever a file holds, its cues put together again are the file.
func TestCuesAreTheFile(t *testing.T) {
	line := rapid.SampledFrom([]string{
		"1", "2", "", " ", "00:00:01,000 --> 00:00:02,000", "00:01.000 --> 00:02.000 align:start", "Hello", "WEBVTT", "NOTE x", "-->",
		"[Events]", "Format: Layer, Start, End, Text", "Dialogue: 0,0:00:01.00,0:00:02.00,Hi, there", "Comment: 0,a,b,c", "Dialogue: 0,0:00:03.00,0:00:04.00,",
	})
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(line).Draw(t, "lines")
		text := strings.Join(lines, rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "breaks"))
		format := rapid.SampledFrom([]Format{SRT, VTT, ASS}).Draw(t, "format")
		cues, err := Parse(format, text)
		if err != nil {
			return
		}
		assert.Equal(t, text, Source(cues))
	})
}

// An answer is taken by its cues, however the model dressed it, and not where one is missing.
func TestAnswersKeepTheCues(t *testing.T) {
	cues, err := Parse(SRT, "7\n00:00:01,000 --> 00:00:02,000\nOne\n\n8\n00:00:03,000 --> 00:00:04,000\nTwo\n")
	require.NoError(t, err)
	const want = "7\n00:00:01,000 --> 00:00:02,000\nUno\n\n8\n00:00:03,000 --> 00:00:04,000\nDos\n"
	for answer, trouble := range map[string]string{
		want:                               "",
		"```srt\n" + want + "```\n":        "",
		"Here you are:\n\n" + want:         "",
		want + "\nI hope that this helps.": "",
		"7\r\n00:00:01.000 --> 00:00:02.000\r\nUno\r\n\r\n8\r\n00:00:03.000 --> 00:00:04.000\r\nDos": "",
		"1\n00:00:01,000-->00:00:02,000\nUno\n\n2\n00:00:03,000-->00:00:04,000\nDos":                 "",
		"7\n00:00:01,000 --> 00:00:02,000\nUno\n":                                                    "the answer has 1 cues, not 2",
		strings.Replace(want, "03,000", "03,001", 1):                                                 "the answer has other times for cue 8",
		strings.Replace(want, "Uno", "", 1):                                                          "the answer has no text for cue 7",
		"Uno\n\nDos":                                                                                 "the answer has 0 cues, not 2",
	} {
		got, err := Put(cues, answer)
		if trouble != "" {
			assert.EqualError(t, err, trouble)
			continue
		}
		require.NoError(t, err, answer)
		assert.Equal(t, want, got)
	}
}
