package subtitles

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Format is a kind of subtitle file, by its extension.
type Format string

// The formats.
const (
	SRT Format = "srt"
	VTT Format = "vtt"
	ASS Format = "ass" // and .ssa
)

// A Cue is one subtitle of a file. The heads, texts and tails of all cues, one after another, are the file, byte for byte.
type Cue struct {
	Head string // what stands before the text: the number, the times, and whatever is none of a cue's before that
	Text string // its lines, without the end of the last
	Tail string // what follows until the next cue's head
	// Number and Times are shown to the model, and the times are expected back.
	Number, Times string
	// LineBreak is what parts the lines of the text in the file.
	LineBreak string
}

// Shown is what the model gets to see of cues, whatever the format: their number, times and text, and nothing else.
func Shown(cues []Cue) string {
	var text strings.Builder
	for _, c := range cues {
		fmt.Fprintf(&text, "%s\n%s\n%s\n\n", c.Number, c.Times, strings.ReplaceAll(c.Text, c.LineBreak, "\n"))
	}
	return text.String()
}

// Source is what stands in the file.
func Source(cues []Cue) string {
	var text strings.Builder
	for _, c := range cues {
		text.WriteString(c.Head + c.Text + c.Tail)
	}
	return text.String()
}

// Rule goes with every request whose answer is to be subtitles.
const Rule = "Answer with these subtitles and nothing else: every one of them, in this order, with its number and times as they are."

// Parse returns the cues of a file that have any text. What has none belongs to the head of the next, or to the last
// one's tail.
func Parse(format Format, text string) ([]Cue, error) {
	all, rest, err := allCues(format, text)
	if err != nil {
		return nil, err
	}
	var cues []Cue
	skipped := ""
	for _, c := range all {
		if strings.TrimSpace(c.Text) == "" {
			skipped += c.Head + c.Text + c.Tail
			continue
		}
		c.Head, skipped = skipped+c.Head, ""
		cues = append(cues, c)
	}
	if len(cues) == 0 {
		return nil, fmt.Errorf("no cues in it, so it isn't an .%s file: name another, or give --format text", format)
	}
	cues[len(cues)-1].Tail += skipped + rest
	return cues, nil
}

// Count returns how many cues a file has, with and without a text.
func Count(format Format, text string) (int, error) {
	all, _, err := allCues(format, text)
	return len(all), err
}

// allCues returns the cues of a file, also those without a text, and what follows the last.
func allCues(format Format, text string) (cues []Cue, rest string, err error) {
	if format == ASS {
		return dialogueCues(text)
	}
	return timedCues(format, text), "", nil
}

// timedCues returns the cues of an .srt or .vtt file, also those without a text.
func timedCues(format Format, text string) []Cue {
	starts := Starts(text)
	var cues []Cue
	for n := range starts {
		from, to := starts[n], len(text)
		if n == 0 {
			from = 0 // what precedes the first belongs to it
		}
		if n+1 < len(starts) {
			to = starts[n+1]
		}
		cues = append(cues, timedCue(format, text[from:to], n))
	}
	return cues
}

func timedCue(format Format, text string, n int) Cue {
	c := Cue{Number: fmt.Sprint(n + 1), LineBreak: "\n"}
	at, previous := 0, ""
	for at < len(text) {
		line, next := nextLine(text, at)
		at = next
		if strings.Contains(line, "-->") {
			c.Times = strings.TrimSpace(line)
			break
		}
		previous = strings.TrimSpace(line)
	}
	if IsNumber(previous) {
		c.Number = previous
	}
	c.Head = text[:at]
	if strings.HasSuffix(c.Head, "\r\n") {
		c.LineBreak = "\r\n"
	}
	end := len(text)
	if format == VTT {
		end = at + paragraph(text[at:]) // comments and styles may follow
	}
	c.Text = strings.TrimRight(text[at:end], " \t\r\n")
	c.Tail = text[at+len(c.Text):]
	return c
}

// paragraph returns how much of a text comes before its first blank line.
func paragraph(text string) int {
	for at := 0; at < len(text); {
		line, next := nextLine(text, at)
		if strings.TrimSpace(line) == "" {
			return at
		}
		at = next
	}
	return len(text)
}

// dialogueCues returns the dialogue of an .ass or .ssa file, and what follows it. A line of it has the fields that the
// section's Format names, parted by commas; the text is the last, in which \N breaks a line.
func dialogueCues(text string) (cues []Cue, rest string, err error) {
	var fields []string
	begin := 0 // of the head
	for at := 0; at < len(text); {
		line, next := nextLine(text, at)
		kind, value, _ := strings.Cut(line, ":")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "format":
			fields = nil
			for name := range strings.SplitSeq(value, ",") {
				fields = append(fields, strings.ToLower(strings.TrimSpace(name)))
			}
		case "dialogue":
			values := strings.SplitN(value, ",", len(fields))
			start, end := slices.Index(fields, "start"), slices.Index(fields, "end")
			if start < 0 || end < 0 || len(values) < len(fields) || fields[len(fields)-1] != "text" {
				return nil, "", errors.New("a line of dialogue doesn't have the fields of the Format before it: mend that line, or save the file anew with a subtitle editor")
			}
			said := values[len(values)-1]
			cues = append(cues, Cue{
				Head: text[begin : at+len(line)-len(said)], Text: said, Tail: text[at+len(line) : next],
				Number: fmt.Sprint(len(cues) + 1), LineBreak: `\N`,
				Times: strings.TrimSpace(values[start]) + " --> " + strings.TrimSpace(values[end]),
			})
			begin = next
		}
		at = next
	}
	return cues, text[begin:], nil
}

// Put puts the texts of an answer in the place of those of its cues. It fails if the answer has other cues.
func Put(cues []Cue, answer string) (string, error) {
	got := timedCues(SRT, unfenced(answer))
	if len(got) != len(cues) {
		return "", fmt.Errorf("the answer has %d cues, not %d", len(got), len(cues))
	}
	said := make([]Cue, len(cues))
	for i, c := range cues {
		text := got[i].Text
		if !strings.Contains(strings.ReplaceAll(c.Text, "\r", ""), "\n\n") {
			text = text[:paragraph(text)] // what follows is about the subtitles, and none of them
		}
		text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
		switch {
		case instants(got[i].Times) != instants(c.Times):
			return "", fmt.Errorf("the answer has other times for cue %s", c.Number)
		case text == "":
			return "", fmt.Errorf("the answer has no text for cue %s", c.Number)
		}
		said[i] = c
		said[i].Text = strings.ReplaceAll(text, "\n", c.LineBreak)
	}
	return Source(said), nil
}

// unfenced returns a text without the fences of a code block, which models like to put around files.
func unfenced(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "```") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

var instant = regexp.MustCompile(`(?:\d+:)?\d+:\d+[.,]\d+`)

// instants are the two instants of a cue's times, however they are written.
func instants(times string) string {
	return strings.ReplaceAll(strings.Join(instant.FindAllString(times, 2), " "), ",", ".")
}
