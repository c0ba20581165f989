package batch

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/asticode/go-astisub"

	"fluxgate.dev/fluxgate/internal/batch/subtitles"
)

// A subtitle file is checked by a parser that builds an object per cue; a feature film has about 100 KB.
const maxSubtitleBytes = 64 << 20

const byteOrderMark = "\uFEFF"

var errTooLarge = errors.New("too large")

// item is one request of a job.
type item struct {
	index int
	id    string
	// text is a slice of the input: a chunk, or a whole line of JSONL. The request body is made of it when it is needed.
	text  string
	jsonl bool
	// cues are what text shows, where the answer is to be subtitles.
	cues []subtitles.Cue
	sum  [sha256.Size]byte
}

func (it *item) hash() string { return hex.EncodeToString(it.sum[:]) }

// plan is the list of requests of a job, made of its inputs and settings and nothing else.
type plan struct {
	items    []item
	warnings []string
	// tokens is the estimated size of all prompts.
	tokens  int64
	chunked bool
}

// id tells whether a journal belongs to this job: the hash of all request bodies and IDs in order.
func (p *plan) id() string {
	h := sha256.New()
	for i := range p.items {
		h.Write(p.items[i].sum[:])
		h.Write(binary.AppendUvarint(nil, uint64(len(p.items[i].id))))
		io.WriteString(h, p.items[i].id)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// newPlan reads every input.
func newPlan(o *Options) (*plan, error) {
	p := &plan{}
	left := maxInputBytes
	for _, name := range o.Inputs {
		text, err := readInput(o, name, left)
		if errors.Is(err, errTooLarge) {
			err = fmt.Errorf("the inputs of one job are limited to %d bytes altogether: make several jobs of them", maxInputBytes)
		}
		if err == nil {
			left -= len(text)
			err = p.add(o, name, strings.TrimPrefix(text, byteOrderMark))
		}
		// The fault of a file repeats its name.
		var fault *fs.PathError
		if errors.As(err, &fault) {
			err = fault.Err
		}
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", displayName(name), err)
		}
	}
	if len(p.items) == 0 {
		return nil, fmt.Errorf("input %s: nothing to send: no prompt and no text in it. Is it the right file?", strings.Join(o.Inputs, ", "))
	}
	if o.Instructions != "" && !p.chunked {
		return nil, errors.New("instructions go before chunks of text and subtitles, and no input has any: use system instead")
	}
	return p, nil
}

func displayName(name string) string {
	if name == "-" {
		return "(standard input)"
	}
	return name
}

func readInput(o *Options, name string, limit int) (string, error) {
	if name == "-" {
		return readText(o.Stdin, 0, limit)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return "", errors.New("is a directory: name the files in it")
	}
	return readText(f, info.Size(), limit)
}

// readText reads UTF-8 text of at most limit bytes; hint is the expected size.
func readText(r io.Reader, hint int64, limit int) (string, error) {
	if hint > int64(limit) {
		return "", errTooLarge
	}
	var text strings.Builder
	text.Grow(int(hint))
	n, err := io.Copy(&text, io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return "", fmt.Errorf("reading: %w", err)
	}
	if n > int64(limit) {
		return "", errTooLarge
	}
	if !utf8.ValidString(text.String()) {
		return "", errors.New("not UTF-8 text: convert it first")
	}
	return text.String(), nil
}

// detect finds the format of an input that has none given.
func detect(name, text string) (Format, error) {
	switch ext := strings.ToLower(filepath.Ext(name)); {
	case name == "-":
		return sniff(text), nil
	case ext == ".jsonl" || ext == ".ndjson":
		return FormatJSONL, nil
	case ext == ".txt" || ext == ".text" || ext == ".md" || ext == ".markdown":
		return FormatText, nil
	case ext == ".srt":
		return FormatSRT, nil
	case ext == ".vtt":
		return FormatVTT, nil
	case ext == ".ass" || ext == ".ssa":
		return FormatASS, nil
	default:
		return "", fmt.Errorf("can't tell the format by the name, which ends in %q: give --format with one of %v. .jsonl, .ndjson, .txt, .md, .srt, .vtt and .ass are known; what isn't text, such as .pdf or .docx, is to be made into text first",
			ext, formats[1:])
	}
}

func sniff(text string) Format {
	start := strings.TrimSpace(text[:min(len(text), 4096)])
	first, rest, _ := strings.Cut(start, "\n")
	second, _, _ := strings.Cut(rest, "\n")
	switch {
	case strings.HasPrefix(first, "{"):
		return FormatJSONL
	case strings.HasPrefix(first, "WEBVTT"):
		return FormatVTT
	case strings.HasPrefix(first, "[Script Info]"):
		return FormatASS
	case subtitles.IsNumber(strings.TrimSpace(first)) && strings.Contains(second, "-->"):
		return FormatSRT
	default:
		return FormatText
	}
}

// add turns one input into requests.
func (p *plan) add(o *Options, name, text string) error {
	format := o.Format
	if format == FormatAuto {
		var err error
		if format, err = detect(name, text); err != nil {
			return err
		}
	}
	if o.subtitles && formatOf(o.Output) != format {
		return fmt.Errorf("the output is to be .%s subtitles: give a file of that kind", formatOf(o.Output))
	}
	if format == FormatJSONL {
		return p.addLines(o, text)
	}
	chunks, err := p.chunks(o, format, name, text)
	if err != nil {
		return err
	}
	p.chunked = true
	base := "stdin"
	if name != "-" {
		base = filepath.Base(name)
	}
	for n, chunk := range chunks {
		if strings.TrimSpace(chunk.text) == "" {
			continue
		}
		chunk.id = base + "#" + strconv.Itoa(n+1)
		if err := p.append(o, chunk); err != nil {
			return err
		}
	}
	return nil
}

// chunks cuts a text or subtitles.
func (p *plan) chunks(o *Options, format Format, name, text string) ([]item, error) {
	var texts []string
	switch {
	case format == FormatText:
		texts = chunkText(text, o.ChunkTokens)
	case strings.TrimSpace(text) == "":
		return nil, nil
	default:
		if err := p.checkSubtitles(format, name, text); err != nil {
			return nil, err
		}
		if !o.subtitles {
			texts = chunkSubtitles(text, o.ChunkTokens)
		}
	}
	var chunks []item
	for _, text := range texts {
		chunks = append(chunks, item{text: text})
	}
	if o.subtitles {
		cues, err := subtitles.Parse(subtitles.Format(format), text)
		if err != nil {
			return nil, err
		}
		for _, some := range chunkCues(cues, o.ChunkTokens) {
			chunks = append(chunks, item{text: subtitles.Shown(some), cues: some})
		}
	}
	return chunks, nil
}

// formatOf returns the subtitle format that a file's extension says; empty: none.
func formatOf(name string) Format {
	switch format, _ := detect(name, ""); format {
	case FormatSRT, FormatVTT, FormatASS:
		return format
	}
	return ""
}

// addLines adds the requests of a JSONL input. Blank lines are skipped.
func (p *plan) addLines(o *Options, text string) error {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		fields, err := parseLine(line)
		if err == nil {
			err = p.append(o, item{id: fields.ID, text: line, jsonl: true})
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return nil
}

func (p *plan) append(o *Options, it item) error {
	if len(p.items) == maxRequests {
		return fmt.Errorf("more than %d requests in one job: make several of it", maxRequests)
	}
	it.index = len(p.items)
	// How long to wait for a better model changes nothing of what is asked, so whoever has seen that
	// it would be faster without may go on with it.
	named := *o
	named.MaxWait = nil
	body, err := it.body(&named)
	if err != nil {
		return err
	}
	it.sum = sha256.Sum256(body)
	p.tokens += int64(estimateTokens(it.text))
	if !it.jsonl {
		p.tokens += int64(estimateTokens(o.Instructions))
	}
	p.items = append(p.items, it)
	return nil
}

// checkSubtitles refuses what has no cues. What the subtitle parser can't follow is only worth a warning, since the text is
// sent as it is: real files have styles and regions that the parser refuses.
func (p *plan) checkSubtitles(format Format, name, text string) error {
	if len(text) > maxSubtitleBytes {
		return fmt.Errorf("a subtitle file is limited to %d bytes: split it", maxSubtitleBytes)
	}
	cues, err := subtitles.Count(subtitles.Format(format), text)
	if err != nil {
		return err
	}
	if cues == 0 {
		return fmt.Errorf("no cues in it, so it isn't an .%s file: name another, or give --format text", format)
	}
	understood, err := parseSubtitles(format, text)
	if err == nil && understood != cues {
		err = fmt.Errorf("%d cues have times, %d could be read", cues, understood)
	}
	if err != nil {
		p.warnings = append(p.warnings, fmt.Sprintf("%s: as subtitles it has a fault, but it is sent as it is: %v",
			displayName(name), err))
	}
	return nil
}

// parseSubtitles returns the number of cues. The parser panics on a line that ends in an arrow.
func parseSubtitles(format Format, text string) (cues int, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("a cue without an end time")
		}
	}()
	read := astisub.ReadFromSRT
	switch format {
	case FormatVTT:
		read = astisub.ReadFromWebVTT
	case FormatASS:
		read = astisub.ReadFromSSA
	}
	file, err := read(strings.NewReader(text))
	if err != nil {
		return 0, err
	}
	return len(file.Items), nil
}

// promptLine is one line of a JSONL input.
type promptLine struct {
	ID          string   `json:"id"`
	Prompt      string   `json:"prompt"`
	System      string   `json:"system"`
	Model       string   `json:"model"`
	Mode        string   `json:"mode"`
	MaxTokens   int      `json:"max_tokens"`
	Temperature *float64 `json:"temperature"`
}

// parseLine is strict: a misspelt field that was ignored would be noticed only in the results.
func parseLine(line string) (promptLine, error) {
	var fields promptLine
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&fields); err != nil {
		return fields, fmt.Errorf("not a request, which is such as {\"prompt\":\"…\"}: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return fields, errors.New("more than one JSON value: want one on each line")
	}
	switch {
	case strings.TrimSpace(fields.Prompt) == "":
		return fields, errors.New("no prompt: want {\"prompt\":\"…\"} on each line")
	case fields.Mode != "" && !slices.Contains(Modes, fields.Mode):
		return fields, fmt.Errorf("mode %q: want one of %v", fields.Mode, Modes)
	case fields.MaxTokens < 0:
		return fields, fmt.Errorf("max_tokens %d: want a positive number", fields.MaxTokens)
	case fields.Temperature != nil && *fields.Temperature < 0:
		return fields, fmt.Errorf("temperature %v: want zero or more", *fields.Temperature)
	}
	return fields, nil
}

// generateRequest is the body of POST /generate.
type generateRequest struct {
	Prompt string `json:"prompt"`
	System string `json:"system,omitempty"`
	Model  string `json:"model,omitempty"`
	Mode   string `json:"mode,omitempty"`
	// MaxTokens is 0 for as long an answer as the model gives: what is cut has to be asked for again.
	MaxTokens   int      `json:"max_tokens"`
	Temperature *float64 `json:"temperature,omitempty"`
	// MaxWait is in seconds.
	MaxWait *float64 `json:"max_wait,omitempty"`
}

// body makes the request body. It is the same bytes every time: the server recognises a returning request by them, and the
// journal a finished one.
func (it *item) body(o *Options) ([]byte, error) {
	request := generateRequest{
		Prompt: it.text, System: o.System, Model: o.Model, Mode: o.Mode, MaxTokens: o.MaxTokens, Temperature: o.Temperature,
	}
	if it.jsonl {
		fields, err := parseLine(it.text)
		if err != nil {
			return nil, err
		}
		request.Prompt = fields.Prompt
		request.System = cmp.Or(fields.System, request.System)
		request.Model = cmp.Or(fields.Model, request.Model)
		request.Mode = cmp.Or(fields.Mode, request.Mode)
		request.MaxTokens = cmp.Or(fields.MaxTokens, request.MaxTokens)
		request.Temperature = cmp.Or(fields.Temperature, request.Temperature)
	} else {
		rule := ""
		if o.subtitles {
			rule = subtitles.Rule
		}
		for _, before := range []string{rule, o.Instructions} {
			if before != "" {
				request.Prompt = before + "\n\n" + request.Prompt
			}
		}
	}
	if o.MaxWait != nil {
		seconds := o.MaxWait.Seconds()
		request.MaxWait = &seconds
	}
	return marshal(request)
}

// marshal encodes without the escapes that only HTML needs, and without a final line break.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
