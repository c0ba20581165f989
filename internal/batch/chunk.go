package batch

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"fluxgate.dev/fluxgate/internal/batch/subtitles"
)

// Sizes are counted in quarters of a token: four ASCII bytes make a token.
const quartersPerToken = 4

// estimateTokens estimates how many tokens a text has: four ASCII characters, two of the two-byte characters of UTF-8 (Latin
// with accents, Greek, Cyrillic, Hebrew, Arabic), or one longer character (Chinese, Japanese, Korean, Indic scripts, emoji)
// to the token, rounded up. Google's rule of thumb is four characters of English; the others lean to the high side. It
// serves to cut chunks; the server counts for itself.
func estimateTokens(s string) int {
	return (quarters(s) + quartersPerToken - 1) / quartersPerToken
}

func quarters(s string) int {
	sum := 0
	for i := 0; i < len(s); {
		_, size := utf8.DecodeRuneInString(s[i:])
		sum += runeQuarters(size)
		i += size
	}
	return sum
}

func runeQuarters(size int) int {
	switch size {
	case 1:
		return 1
	case 2:
		return quartersPerToken / 2
	default:
		return quartersPerToken
	}
}

// chunkText cuts a text into chunks of at most maxTokens estimated tokens (at least one). The chunks, one after another, are
// the text, byte for byte. A cut falls after a paragraph; if that would leave the chunk less than half full, after a
// sentence; then after a line, after a word, and in the last resort between two characters, never inside one.
func chunkText(text string, maxTokens int) []string {
	var chunks []string
	for text != "" {
		end := cut(text, maxTokens*quartersPerToken)
		chunks = append(chunks, text[:end])
		text = text[end:]
	}
	return chunks
}

// cut returns where the first chunk of the text ends.
func cut(text string, limit int) int {
	furthest, sum := 0, 0
	for furthest < len(text) {
		_, size := utf8.DecodeRuneInString(text[furthest:])
		if sum += runeQuarters(size); sum > limit {
			break
		}
		furthest += size
	}
	if furthest == len(text) || furthest == 0 {
		return len(text)
	}
	for _, fits := range []func(string, int) bool{endsParagraph, endsSentence, endsLine, endsWord} {
		for i := furthest; 2*i >= furthest; i-- {
			if utf8.RuneStart(text[i]) && fits(text, i) {
				return i
			}
		}
	}
	return furthest
}

// endsParagraph reports whether a blank line ends at s[i].
func endsParagraph(s string, i int) bool {
	if s[i-1] != '\n' {
		return false
	}
	return strings.HasSuffix(strings.TrimRight(s[:i-1], " \t\r"), "\n")
}

func endsLine(s string, i int) bool { return s[i-1] == '\n' }

func endsWord(s string, i int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	after, _ := utf8.DecodeRuneInString(s[i:])
	return unicode.IsSpace(before) && !unicode.IsSpace(after)
}

const (
	closers = "\"')]}»”’」』）】"
	// Full stops that are followed by white space, and those of Chinese and Japanese that aren't.
	stops     = ".!?…"
	wideStops = "。！？｡"
)

// endsSentence reports whether a sentence ends before s[i], its closing quotes and the white space after it included.
func endsSentence(s string, i int) bool {
	after, _ := utf8.DecodeRuneInString(s[i:])
	if unicode.IsSpace(after) || strings.ContainsRune(closers, after) {
		return false
	}
	text := strings.TrimRightFunc(s[:i], unicode.IsSpace)
	spaced := len(text) < i
	stop, _ := utf8.DecodeLastRuneInString(strings.TrimRight(text, closers))
	return strings.ContainsRune(wideStops, stop) || spaced && strings.ContainsRune(stops, stop)
}

// chunkSubtitles cuts the text of an .srt or .vtt file into chunks of at most maxTokens estimated tokens, between cues: a
// cue stays in one piece with its number, its times and what follows it (comments, styles). What precedes the first cue
// belongs to it. The chunks, one after another, are the text, byte for byte. A single cue that is too large is cut as text.
func chunkSubtitles(text string, maxTokens int) []string {
	starts := subtitles.Starts(text)
	limit := maxTokens * quartersPerToken
	var chunks []string
	begin, sum := 0, 0
	flush := func(end int) {
		if begin < end {
			chunks = append(chunks, text[begin:end])
		}
		begin, sum = end, 0
	}
	for n := range max(len(starts), 1) {
		from, to := 0, len(text)
		if n > 0 {
			from = starts[n]
		}
		if n+1 < len(starts) {
			to = starts[n+1]
		}
		size := quarters(text[from:to])
		if sum+size > limit {
			flush(from)
		}
		if size > limit {
			chunks = append(chunks, chunkText(text[from:to], maxTokens)...)
			begin = to
			continue
		}
		sum += size
	}
	flush(len(text))
	return chunks
}

// chunkCues divides cues into chunks of at most maxTokens estimated tokens as they are shown, or of a single cue.
func chunkCues(cues []subtitles.Cue, maxTokens int) [][]subtitles.Cue {
	var chunks [][]subtitles.Cue
	begin, sum := 0, 0
	for i := range cues {
		size := quarters(subtitles.Shown(cues[i : i+1]))
		if i > begin && sum+size > maxTokens*quartersPerToken {
			chunks = append(chunks, cues[begin:i])
			begin, sum = i, 0
		}
		sum += size
	}
	return append(chunks, cues[begin:])
}
