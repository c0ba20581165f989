package batch

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"fluxgate.dev/fluxgate/internal/batch/subtitles"
)

// results keeps what came back: the journal, and the output that is copied from it in input order. One goroutine uses it.
type results struct {
	journal *journal
	// file is nil when the output is standard output.
	file *os.File
	out  *bufio.Writer
	// next is the first request whose line isn't in the output yet.
	next int
}

// openResults opens journal and output, before anything is sent.
func openResults(o *Options, p *plan) (*results, error) {
	output := o.results()
	if output == "-" {
		j, err := temporaryJournal(p)
		if err != nil {
			return nil, err
		}
		return &results{journal: j, out: bufio.NewWriterSize(o.Stdout, 1<<16)}, nil
	}
	if err := checkOutput(o); err != nil {
		return nil, &OptionsError{err}
	}
	j, err := openJournal(journalPath(o), output, p, o.Restart)
	if errors.Is(err, ErrOtherJob) {
		err = fmt.Errorf("%w (the input or a setting has changed since: --restart discards it, another --output leaves it)", err)
	}
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the output: %w", err), j.close())
	}
	r := &results{journal: j, file: f, out: bufio.NewWriterSize(f, 1<<16)}
	if err := r.emit(); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func journalPath(o *Options) string { return o.results() + ".journal" }

// checkOutput refuses to write over an input or into what isn't a file.
func checkOutput(o *Options) error {
	for _, name := range []string{o.Output, o.results(), journalPath(o)} {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("output: %w", err)
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("output %s: not a regular file; use - for standard output", name)
		}
		for _, input := range o.Inputs {
			if in, err := os.Stat(input); err == nil && input != "-" && os.SameFile(info, in) {
				return fmt.Errorf("output %s: is an input: name another", name)
			}
		}
	}
	return nil
}

// add makes results durable and moves the output on.
func (r *results) add(batch []Result) error {
	if err := r.journal.append(batch); err != nil {
		return err
	}
	return r.emit()
}

func (r *results) emit() error {
	for r.next < len(r.journal.spans) && r.journal.spans[r.next].length > 0 {
		if err := r.journal.copyLine(r.out, r.next); err != nil {
			return err
		}
		r.next++
	}
	if err := r.out.Flush(); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// writeSubtitles writes what the answers make of the input's subtitles, and the input's own where there is none. The file
// is whole whenever it is there.
func (r *results) writeSubtitles(o *Options, p *plan) error {
	draft := o.Output + ".new"
	f, err := os.Create(draft)
	if err != nil {
		return fmt.Errorf("writing the subtitles: %w", err)
	}
	out := bufio.NewWriterSize(f, 1<<16)
	for i := range p.items {
		text := subtitles.Source(p.items[i].cues)
		if r.journal.finished[i] {
			if text, err = r.journal.response(i); err != nil {
				return errors.Join(err, f.Close(), os.Remove(draft))
			}
		}
		_, _ = out.WriteString(text) // Flush says if it failed
	}
	if err := errors.Join(out.Flush(), f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("writing the subtitles: %w", err), os.Remove(draft))
	}
	if err := os.Rename(draft, o.Output); err != nil {
		return fmt.Errorf("writing the subtitles: %w", err)
	}
	return nil
}

// truncated counts answers that are cut.
func (r *results) truncated() int {
	n := 0
	for _, cut := range r.journal.truncated {
		if cut {
			n++
		}
	}
	return n
}

// unsettled counts requests without a result of this run or an answer of an earlier one.
func (r *results) unsettled() int {
	n := 0
	for _, line := range r.journal.spans {
		if line.length == 0 {
			n++
		}
	}
	return n
}

// answered counts requests that have an answer.
func (r *results) answered() int {
	n := 0
	for _, finished := range r.journal.finished {
		if finished {
			n++
		}
	}
	return n
}

// close ends the run. The journal goes when it has nothing left to tell: when every request has been answered and the
// output is on disk, or when the output can't be resumed anyway.
func (r *results) close() error {
	if r.file == nil {
		return r.journal.remove()
	}
	if err := errors.Join(r.file.Sync(), r.file.Close()); err != nil {
		return errors.Join(fmt.Errorf("closing the output: %w", err), r.journal.close())
	}
	if r.next == len(r.journal.finished) && r.answered() == len(r.journal.finished) {
		return r.journal.remove()
	}
	return r.journal.close()
}
