package subtitles

import "strings"

// Starts returns, of a text with cues of .srt or .vtt, the offset of every cue: of the line with its times, or of the number or name in the line before.
func Starts(text string) []int {
	var starts []int
	// The two lines before the current one.
	var previous, beforeThat struct {
		at   int
		text string
	}
	for at := 0; at < len(text); {
		line, next := nextLine(text, at)
		if strings.Contains(line, "-->") {
			start := at
			if previous.text != "" && (beforeThat.text == "" || IsNumber(previous.text)) {
				start = previous.at
			}
			starts = append(starts, start)
		}
		beforeThat = previous
		previous.at, previous.text = at, strings.TrimSpace(line)
		at = next
	}
	return starts
}

// nextLine returns the line that begins at text[at] and the offset of the one after it. A line ends with LF, CR LF or CR.
func nextLine(text string, at int) (line string, next int) {
	end := strings.IndexAny(text[at:], "\r\n")
	if end < 0 {
		return text[at:], len(text)
	}
	next = at + end + 1
	if text[next-1] == '\r' && next < len(text) && text[next] == '\n' {
		next++
	}
	return text[at : at+end], next
}

// IsNumber reports whether a text consists of digits.
func IsNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
