package incoming

import (
	"io"
	"net/http"

	"fluxgate.dev/fluxgate/internal/payload/coding"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// An Answer is read as it comes, and as what is in it where it is packed. The
// caller gets the one, and we learn from the other.
type Answer struct {
	watch   *Watch
	Whole   bool // it is known to be, once it has ended
	body    io.Reader
	plain   io.Reader // nil: it isn't packed, or what is in it has ended
	Unknown bool      // what is in it can't be read, or not to its end; its bytes pass all the same
	ended   bool      // what is in it has
	came    []byte    // with plain, what was read of the body for the piece
	err     error     // with plain, what ended the body
}

// New returns the answer that a response is, under a watch.
func New(watch *Watch, resp *http.Response) *Answer {
	in := &Answer{watch: watch, Whole: upstream.KnownWhole(resp), body: resp.Body}
	plain, err := coding.Unpack(noted{in}, encodingOf(resp))
	in.Unknown = err != nil
	if _, same := plain.(noted); err == nil && !same {
		in.plain = plain
	}
	return in
}

// Next reads a piece of the answer, with what is in it. Both are valid until the next
// call.
func (in *Answer) Next(buf []byte) (text, piece []byte, err error) {
	if in.plain == nil {
		n, err := noted{in}.read(buf)
		if in.Unknown || in.ended {
			return nil, buf[:n], err
		}
		return buf[:n], buf[:n], err
	}
	in.came = in.came[:0]
	n, err := in.plain.Read(buf)
	if err == nil {
		return buf[:n], in.came, nil
	}
	in.plain, in.ended, in.Unknown = nil, true, err != io.EOF
	return buf[:n], in.came, in.err // nil: something follows, or the end itself
}

// Read implements io.Reader: it reads what is in the answer.
func (in *Answer) Read(p []byte) (int, error) {
	text, _, err := in.Next(p)
	return len(text), err
}

// noted is the body of an answer, of which is kept what came.
type noted struct{ in *Answer }

// Read implements io.Reader.
func (n noted) Read(p []byte) (int, error) {
	size, err := n.read(p)
	n.in.came = append(n.in.came, p[:size]...)
	if err != nil {
		n.in.err = err
	}
	return size, err
}

func (n noted) read(p []byte) (int, error) {
	size, err := n.in.body.Read(p)
	if size > 0 {
		n.in.watch.Heard(0)
	}
	return size, err
}
