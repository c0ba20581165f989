package payload

import (
	"bytes"
	"io"
	"sync"

	"fluxgate.dev/fluxgate/internal/payload/escape"
)

// A Rope is a text in parts that are held elsewhere, mostly in the body that it was made
// of. It is read without ever being put together, so that a large body need not be held
// twice to be sent in another form. The zero value is empty.
type Rope struct {
	parts []part
	size  int64
	own   []byte // the texts of AddString
	owned bool   // the last part ends where own does
}

// A part is read as it is, or through a filter.
type part struct {
	text   []byte
	filter filter
}

// A filter writes what some text is to be read as, and returns how much it wrote and how
// much of the text that is. It makes progress wherever there is room for a few bytes.
type filter func(dst, src []byte) (written, read int)

// filterRoom is enough room for a filter to make progress, in bytes.
const filterRoom = 16

// RopeOf returns a rope of one text.
func RopeOf(text []byte) *Rope {
	r := new(Rope)
	r.Add(text)
	return r
}

// Add adds a text as it is.
func (r *Rope) Add(text []byte) {
	if len(text) > 0 {
		r.add(part{text: text})
		r.size += int64(len(text))
	}
}

func (r *Rope) add(p part) {
	if r.parts == nil {
		r.parts = make([]part, 0, 8)
	}
	r.parts, r.owned = append(r.parts, p), false
}

// AddString adds a copy of a text, which isn't long: those that follow each other become
// one part.
func (r *Rope) AddString(text string) {
	if text == "" {
		return
	}
	if cap(r.own)-len(r.own) < len(text) {
		r.own, r.owned = make([]byte, 0, max(256, len(text))), false
	}
	begin := len(r.own)
	r.own = append(r.own, text...)
	r.size += int64(len(text))
	if r.owned {
		last := &r.parts[len(r.parts)-1].text
		*last = (*last)[:len(*last)+len(text)]
		return
	}
	r.add(part{text: r.own[begin:]})
	r.owned = true
}

// AddQuoted adds a JSON string as it stands in a body. What in it isn't Unicode becomes the
// character that stands for that: a parser may refuse all of it otherwise.
func (r *Rope) AddQuoted(quoted []byte) {
	if escape.IsUnicode(quoted) {
		r.Add(quoted)
		return
	}
	r.addThrough(escape.Unicodes, quoted)
}

// AddAsText adds JSON as what a JSON string holds whose text it is.
func (r *Rope) AddAsText(json []byte) { r.addThrough(escape.Quotable, json) }

// AddMedia adds the base64 of an image or a file, in the standard form.
func (r *Rope) AddMedia(m Media) {
	if !m.loose {
		r.Add(m.Base64)
		return
	}
	r.addThrough(standardCharacters, m.Base64[:m.last])
	// The last character may have bits that mean nothing, which aren't to be sent.
	var c [1]byte
	standardCharacters(c[:], m.Base64[m.last:])
	padding := (4 - m.chars%4) % 4
	r.Add(append([]byte{cleared(c[0], padding)}, "=="[:padding]...))
}

// addThrough adds a text that is to be read through a filter.
func (r *Rope) addThrough(f filter, text []byte) {
	r.add(part{text, f})
	var scratch [4 << 10]byte
	for len(text) > 0 {
		written, read := f(scratch[:], text)
		r.size += int64(written)
		text = text[read:]
	}
}

// Len returns how many bytes the text has.
func (r *Rope) Len() int64 { return r.size }

// putTogether is how large a text of several parts is at most that is read as one, in
// bytes: what net/http finds in memory it writes at once.
const putTogether = 16 << 10

// Open returns a reader of the text, which is for Close. A small text is read from a
// *bytes.Reader, which net/http knows, any other from a *RopeReader.
func (r *Rope) Open() io.Reader {
	if r.size > putTogether {
		return r.reader()
	}
	if len(r.parts) == 1 && r.parts[0].filter == nil {
		return bytes.NewReader(r.parts[0].text)
	}
	text := make([]byte, r.size)
	_, _ = io.ReadFull(r.reader(), text) // that large it is
	return bytes.NewReader(text)
}

func (r *Rope) reader() *RopeReader { return &RopeReader{from: &opened{parts: r.parts, size: r.size}} }

// Open returns a reader of a text as Rope.Open does.
func Open(text []byte) io.Reader {
	if len(text) > putTogether {
		return RopeOf(text).reader()
	}
	return bytes.NewReader(text)
}

// Close closes a reader that was opened here.
func Close(r io.Reader) {
	if large, ok := r.(*RopeReader); ok {
		_ = large.Close() // it never fails
	}
}

// opened are the parts of a rope until its readers are closed.
type opened struct {
	size   int64
	mu     sync.Mutex
	parts  []part
	closed bool
}

// A RopeReader reads a Rope. Once it is closed nothing reads the text any more, nor is it
// held by this: a client of HTTP may go on sending a body for a while when the answer is
// there already.
type RopeReader struct {
	from *opened
	at   int // index of the part
	read int // of its text

	room [filterRoom]byte
	left []byte // of room, not read yet
}

// Len returns how many bytes the text has.
func (r *RopeReader) Len() int64 { return r.from.size }

// Again returns another reader of the text from its beginning. Both are closed together.
func (r *RopeReader) Again() *RopeReader { return &RopeReader{from: r.from} }

// Close implements io.Closer. It never fails.
func (r *RopeReader) Close() error {
	r.from.mu.Lock()
	defer r.from.mu.Unlock()
	r.from.parts, r.from.closed = nil, true
	return nil
}

// Read implements io.Reader.
func (r *RopeReader) Read(p []byte) (n int, err error) {
	r.from.mu.Lock()
	defer r.from.mu.Unlock()
	parts := r.from.parts
	if r.from.closed {
		return 0, io.ErrClosedPipe
	}
	for n < len(p) {
		if len(r.left) > 0 {
			size := copy(p[n:], r.left)
			r.left, n = r.left[size:], n+size
			continue
		}
		if r.at == len(parts) {
			break
		}
		from := parts[r.at]
		rest := from.text[r.read:]
		var written, read int
		switch {
		case len(rest) == 0:
			r.at, r.read = r.at+1, 0
			continue
		case from.filter == nil:
			written = copy(p[n:], rest)
			read = written
		case len(p)-n < filterRoom:
			// It may have more to say than there is room for.
			size, read := from.filter(r.room[:], rest)
			r.left, r.read = r.room[:size], r.read+read
			continue
		default:
			written, read = from.filter(p[n:], rest)
		}
		n += written
		r.read += read
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}
