package batchlines

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"

	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/payload/lines"
	"fluxgate.dev/fluxgate/internal/resources"
)

// A Piece is a request that brings a file, or a part of one.
type Piece struct {
	Who  resources.Caller
	Rule lines.Rule
	// Kept returns the name by which a provider's resource is known here.
	Kept func(name string) string
	// Part is which part of an upload it is.
	Part passing.Piece
	// Length is how many bytes it has; negative: it isn't known.
	Length int64
	// Asks says that it brings nothing: it asks what has become of a file.
	Asks bool
}

// PieceOf returns the piece of a file that a caller's request brings to Gemini. What isn't of a file, or
// begins the upload of one, brings nothing.
func PieceOf(r *http.Request, who resources.Caller, nothing bool) Piece {
	part, brings := passing.PieceOf(r)
	return Piece{
		Who: who, Rule: lines.Gemini, Kept: func(name string) string { return name },
		Part: part, Length: r.ContentLength, Asks: nothing || !brings,
	}
}

// A Passage is a piece on its way. Nil is that of a piece that nobody looks through. What it has
// seen is known once nothing reads its body any more.
type Passage struct {
	f     *Files
	p     Piece
	begin standing
	note  string // on the upload, while nobody has sent another piece of it

	mu      sync.Mutex
	scanner lines.Scanner
	project string
	begun   int             // how often its body was begun
	names   map[string]bool // found, and not looked up yet
	size    int64
	ended   bool // all of it was read
	foreign bool // it names what isn't the caller's
	err     error
}

// maxNames bounds how many names are looked up together.
const maxNames = 512

// Begin begins the passage of a piece. An error is the answer to the request.
func (f *Files) Begin(ctx context.Context, p Piece) (*Passage, error) {
	if f == nil || !f.resources.Confines(p.Who) {
		return nil, nil
	}
	x := &Passage{f: f, p: p, names: make(map[string]bool)}
	if p.Asks {
		return x, nil
	}
	s, err := f.standing(ctx, p.Who.Name, p.Part.Upload)
	if err != nil {
		return nil, unknown(err)
	}
	x.begin = s
	if err := x.restart(); err != nil {
		return nil, unknown(err)
	}
	x.begin.known = s.known && (p.Length == 0 || max(0, p.Part.Offset) == s.Offset)
	if p.Part.Upload != "" {
		x.note = underWay + rand.Text()
		if err := f.note(ctx, p.Who.Name, p.Part.Upload, x.note); err != nil {
			return nil, unknown(err)
		}
	}
	return x, nil
}

// Body returns the body of the piece, which is looked through as it is read on its way to a project.
// Where it is sent again it counts from its beginning, and nothing that was seen of it before.
func (x *Passage) Body(ctx context.Context, project string, body io.Reader) io.Reader {
	if x == nil {
		return body
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.project = project; x.p.Asks {
		return body
	}
	x.err = x.restart()
	if x.ended = x.p.Length == 0; x.ended {
		return body
	}
	return &reader{ctx, body, x, x.begun}
}

// restart begins to look through the piece.
func (x *Passage) restart() error {
	x.begun++
	x.size, x.ended, x.foreign, x.err = 0, false, false, nil
	clear(x.names)
	x.scanner = lines.Scanner{Rule: x.p.Rule, Found: x.found}
	if x.begin.State == nil {
		return nil
	}
	return x.scanner.Resume(x.begin.State)
}

// A reader is a body that is looked through.
type reader struct {
	ctx  context.Context
	body io.Reader
	x    *Passage
	n    int // which time it was begun
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.x.saw(r.ctx, r.n, p[:n], err)
	return n, err
}

// saw looks through what was read. A connection may still read what was refused on it.
func (x *Passage) saw(ctx context.Context, n int, text []byte, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n != x.begun {
		return
	}
	x.size += int64(len(text))
	x.ended = errors.Is(err, io.EOF)
	if x.settled() {
		return
	}
	_, _ = x.scanner.Write(text) // it never fails
	if len(x.names) >= maxNames {
		x.lookUp(ctx)
	}
}

// settled reports whether it is known already that the file is unfit, or can't be known.
func (x *Passage) settled() bool {
	return !x.begin.known || x.begin.Unfit || x.foreign || x.err != nil || x.scanner.Unreadable()
}

// found notes a name that was found.
func (x *Passage) found(name string) { x.names[x.p.Kept(name)] = true }

// lookUp looks up whose is what was found.
func (x *Passage) lookUp(ctx context.Context) {
	if len(x.names) == 0 || x.foreign || x.err != nil {
		return
	}
	own, err := x.f.own(ctx, x.p.Who.Name, x.project, slices.Collect(maps.Keys(x.names)))
	x.foreign, x.err = err == nil && !own, err
	clear(x.names)
}

// Done notes what was seen, once the provider has taken the piece and told of a file or of none. It
// puts the note on the file that is to be kept with it. An error is the answer to the request.
func (x *Passage) Done(ctx context.Context, told []answers.Created) error {
	if x == nil {
		return nil
	}
	switch {
	case x.p.Asks && x.p.Part.Upload == "":
		note(told, Unfit) // it should have begun an upload, and nothing more
		return nil
	case x.p.Asks:
		return x.f.asked(ctx, x.p.Who, x.project, told)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(told) > 0 {
		x.scanner.End()
	}
	x.lookUp(ctx)
	if x.err != nil {
		return unknown(x.err)
	}
	seen := x.begin.known && x.ended
	if seen && x.p.Part.Upload != "" {
		note, _, err := x.f.noted(ctx, x.p.Who.Name, x.p.Part.Upload)
		if err != nil {
			return unknown(err)
		}
		seen = note == x.note
	}
	bad := !seen || x.begin.Unfit || x.foreign || x.scanner.Unreadable()
	switch {
	case len(told) > 0 && bad:
		note(told, Unfit)
	case len(told) == 0 && x.p.Part.Upload != "" && seen: // else what is kept of it says that it isn't known
		note, err := seal(x.p.Part.Upload, progress{Offset: x.begin.Offset + x.size, State: x.scanner.State(), Unfit: bad})
		if err == nil {
			err = x.f.note(ctx, x.p.Who.Name, x.p.Part.Upload, note)
		}
		if err != nil {
			return unknown(err)
		}
	}
	return nil
}

// note puts a note on files.
func note(told []answers.Created, note string) {
	for i := range told {
		told[i].Note = note
	}
}
