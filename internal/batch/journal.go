package batch

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Result is one line of the output and of the journal: an answer, or an error.
type Result struct {
	// Index is the position of the request in the job, from 0; the output has the results in this order.
	Index int `json:"index"`
	// ID is that of the JSONL line, or FILE#N for the Nth chunk of a file.
	ID string `json:"id,omitempty"`
	// SHA256 is the hash of the request body, in hexadecimal.
	SHA256 string `json:"sha256"`

	// Response is null (absent) in a result that is an error.
	Response *string `json:"response,omitempty"`
	// KeyUsed is the server's public name of the key, passed on as it came.
	KeyUsed    json.RawMessage `json:"key_used,omitempty"`
	ModelUsed  string          `json:"model_used,omitempty"`
	TokensUsed *int64          `json:"tokens_used,omitempty"`
	// FinishReason is why a response ends where it does: STOP where it is complete.
	FinishReason string `json:"finish_reason,omitempty"`

	// Error is the server's public message, or why there was none. Status is absent when no answer came at all.
	Error  string `json:"error,omitempty"`
	Status int    `json:"status,omitempty"`

	// Waits is the number of refusals obeyed, WaitedSeconds the time spent in them, ElapsedSeconds the time from the first
	// sending to the result, waits included.
	Waits          int     `json:"waits"`
	WaitedSeconds  float64 `json:"waited_seconds"`
	ElapsedSeconds float64 `json:"elapsed_seconds"`
}

// truncated reports whether there is a response, but not all of it.
func (r *Result) truncated() bool {
	return r.Response != nil && r.FinishReason != "" && r.FinishReason != finished
}

// ErrOtherJob means that the journal or the output belongs to another input or other settings than this job's, or isn't
// one of this package at all. Nothing was sent and nothing changed.
var ErrOtherJob = errors.New("belongs to another job")

// ErrLocked means that another process is working on the same output.
var ErrLocked = errors.New("another run is working on it: wait for that, or stop it")

const journalVersion = 1

// journalHeader is the first line of a journal.
type journalHeader struct {
	Version  int    `json:"fluxgate_batch_journal"`
	Job      string `json:"job"`
	Requests int    `json:"requests"`
}

// span is where a line lies in the journal, its line break included.
type span struct {
	offset int64
	length int64
}

// journal is an append-only file of results, one line each, and the index of the last line of every request. It is used by
// one goroutine.
type journal struct {
	f    *os.File
	path string
	end  int64
	// spans has a line for every settled request; the others have length 0.
	spans []span
	// finished are the requests that have an answer. Failed ones are settled in the run that failed them only.
	finished []bool
	// truncated are those of them whose answer is cut.
	truncated []bool
}

// openJournal opens the journal of a job, or makes one. The results of an earlier run that has no journal any more, but
// whose output is this job's, are taken over from there. With restart both are discarded.
func openJournal(path, output string, p *plan, restart bool) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return createJournal(path, output, p, restart)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	j := newJournal(f, path, p)
	if err := j.lock(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if restart {
		if err := errors.Join(os.Remove(path), f.Close()); err != nil {
			return nil, fmt.Errorf("discarding the journal: %w", err)
		}
		return createJournal(path, output, p, restart)
	}
	if err := j.load(p); err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", path, err), f.Close())
	}
	return j, nil
}

func newJournal(f *os.File, path string, p *plan) *journal {
	return &journal{f: f, path: path, spans: make([]span, len(p.items)), finished: make([]bool, len(p.items)), truncated: make([]bool, len(p.items))}
}

func (j *journal) lock() error {
	free, err := lockFile(j.f)
	if err != nil {
		return fmt.Errorf("locking %s: %w", j.path, err)
	}
	if !free {
		return fmt.Errorf("journal %s: %w", j.path, ErrLocked)
	}
	return nil
}

// createJournal makes the journal under another name and renames it when it is whole, so that a crash in between leaves
// either no journal or one that has everything the output had.
func createJournal(path, output string, p *plan, restart bool) (*journal, error) {
	draft := path + ".new"
	f, err := os.OpenFile(draft, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the journal: %w", err)
	}
	j := newJournal(f, path, p)
	fail := func(err error) (*journal, error) {
		return nil, errors.Join(err, f.Close())
	}
	if err := j.lock(); err != nil {
		return fail(err)
	}
	if _, err := os.Lstat(path); err == nil {
		return fail(fmt.Errorf("journal %s: %w", path, ErrLocked))
	}
	err = j.begin(p)
	if err == nil && !restart {
		err = j.importOutput(output, p)
	}
	if err == nil {
		err = os.Rename(draft, path)
	}
	if err != nil {
		return fail(errors.Join(err, os.Remove(draft)))
	}
	syncDirectory(path)
	return j, nil
}

// temporaryJournal has no name to be found again by; it holds the results of a run that can't be resumed.
func temporaryJournal(p *plan) (*journal, error) {
	f, err := os.CreateTemp("", "fluxgate-batch-*.journal")
	if err != nil {
		return nil, fmt.Errorf("making a temporary journal: %w", err)
	}
	j := newJournal(f, f.Name(), p)
	if err := j.begin(p); err != nil {
		return nil, errors.Join(err, j.remove())
	}
	return j, nil
}

// begin writes the header into an empty file.
func (j *journal) begin(p *plan) error {
	header, err := marshal(journalHeader{Version: journalVersion, Job: p.id(), Requests: len(p.items)})
	if err != nil {
		return err
	}
	if err := j.f.Truncate(0); err != nil {
		return fmt.Errorf("making the journal: %w", err)
	}
	j.end = 0
	return j.write(append(header, '\n'))
}

// write appends and syncs.
func (j *journal) write(data []byte) error {
	if _, err := j.f.WriteAt(data, j.end); err != nil {
		return fmt.Errorf("writing the journal %s: %w", j.path, err)
	}
	if err := j.f.Sync(); err != nil {
		return fmt.Errorf("syncing the journal %s: %w", j.path, err)
	}
	j.end += int64(len(data))
	return nil
}

// load reads the journal of an earlier run. A line that can't be read is one that was being written when the run died: its
// request isn't finished. A torn last line is cut off, so that the next begins on a line of its own.
func (j *journal) load(p *plan) error {
	reader := bufio.NewReaderSize(j.f, 1<<20)
	first, err := reader.ReadBytes('\n')
	if err != nil && err != io.EOF {
		return err
	}
	var header journalHeader
	switch {
	case json.Unmarshal(first, &header) != nil || header.Version == 0:
		return fmt.Errorf("it isn't a journal: %w", ErrOtherJob)
	case header.Version != journalVersion:
		return fmt.Errorf("it has version %d, not %d: %w", header.Version, journalVersion, ErrOtherJob)
	case header.Job != p.id() || header.Requests != len(p.items):
		return ErrOtherJob
	case err == io.EOF:
		// Cut off in its first line, which is whole but for the line break: there is nothing else in it.
		return j.begin(p)
	}
	j.end = int64(len(first))
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return err
		}
		if err == io.EOF {
			break
		}
		if result, ok := readResult(line, p); ok && result.Response != nil {
			j.spans[result.Index] = span{j.end, int64(len(line))}
			j.finished[result.Index], j.truncated[result.Index] = true, result.truncated()
		}
		j.end += int64(len(line))
	}
	return j.f.Truncate(j.end)
}

// readResult reads a line of a journal or an output; false means it isn't a result of this job.
func readResult(line []byte, p *plan) (Result, bool) {
	var result Result
	if json.Unmarshal(line, &result) != nil {
		return result, false
	}
	known := result.Index >= 0 && result.Index < len(p.items) && result.SHA256 == p.items[result.Index].hash()
	return result, known && (result.Response != nil) != (result.Error != "")
}

// importOutput takes over the answers in the output of an earlier run. It refuses an output that holds anything but results of
// this job, in order, with at most a torn last line.
func (j *journal) importOutput(output string, p *plan) error {
	f, err := os.Open(output)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening the output: %w", err)
	}
	defer f.Close()
	reader := bufio.NewReaderSize(f, 1<<20)
	for n := 0; ; n++ {
		line, err := reader.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return fmt.Errorf("reading the output: %w", err)
		}
		if err == io.EOF && (len(line) == 0 || isTorn(line, n)) {
			return j.sync()
		}
		result, ok := readResult(line, p)
		if !ok || result.Index != n || err == io.EOF {
			return fmt.Errorf("output %s, line %d: %w", output, n+1, ErrOtherJob)
		}
		if result.Response == nil {
			continue
		}
		if _, err := j.f.WriteAt(line, j.end); err != nil {
			return fmt.Errorf("writing the journal %s: %w", j.path, err)
		}
		j.spans[n] = span{j.end, int64(len(line))}
		j.finished[n], j.truncated[n] = true, result.truncated()
		j.end += int64(len(line))
	}
}

// isTorn tells the beginning of the nth result from the end of somebody's text.
func isTorn(line []byte, n int) bool {
	start := fmt.Appendf(nil, `{"index":%d,`, n)
	return !json.Valid(line) && (bytes.HasPrefix(line, start) || bytes.HasPrefix(start, line))
}

func (j *journal) sync() error {
	if err := j.f.Sync(); err != nil {
		return fmt.Errorf("syncing the journal %s: %w", j.path, err)
	}
	return nil
}

// append makes results durable: when it returns nil, they have survived.
func (j *journal) append(results []Result) error {
	var data []byte
	spans := make([]span, len(results))
	for i, result := range results {
		line, err := marshal(result)
		if err != nil {
			return fmt.Errorf("encoding a result: %w", err)
		}
		spans[i] = span{j.end + int64(len(data)), int64(len(line)) + 1}
		data = append(append(data, line...), '\n')
	}
	if err := j.write(data); err != nil {
		return err
	}
	for i, result := range results {
		j.spans[result.Index] = spans[i]
		j.finished[result.Index], j.truncated[result.Index] = result.Response != nil, result.truncated()
	}
	return nil
}

// copyLine copies the line of a settled request.
func (j *journal) copyLine(w io.Writer, index int) error {
	at := j.spans[index]
	if _, err := io.Copy(w, io.NewSectionReader(j.f, at.offset, at.length)); err != nil {
		return fmt.Errorf("copying a result to the output: %w", err)
	}
	return nil
}

// response reads the answer of a finished request.
func (j *journal) response(index int) (string, error) {
	line := make([]byte, j.spans[index].length)
	if _, err := j.f.ReadAt(line, j.spans[index].offset); err != nil {
		return "", fmt.Errorf("reading the journal: %w", err)
	}
	var result Result
	if err := json.Unmarshal(line, &result); err != nil {
		return "", fmt.Errorf("reading the journal: %w", err)
	}
	return *result.Response, nil
}

func (j *journal) close() error { return j.f.Close() }

func (j *journal) remove() error {
	// Closed first, because some systems don't remove an open file.
	return errors.Join(j.f.Close(), os.Remove(j.path))
}

// syncDirectory makes a new name durable where the system allows it; without it only a power failure can lose the name.
func syncDirectory(path string) {
	if d, err := os.Open(filepath.Dir(path)); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
