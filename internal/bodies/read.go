package bodies

import (
	"errors"
	"io"
)

// ErrTooLarge means that a body is larger than it may be.
var ErrTooLarge = errors.New("bodies: larger than it may be")

// Each is what a request takes beside its body, in bytes: the buffers of its connections,
// and what is kept of its answer.
const Each = 128 << 10

// first is how much room a body gets at most before it has come, in bytes: no more than
// any caller may cost before it has sent a byte.
const first = 64 << 10

// Options say how a body is read.
type Options struct {
	// Length is how many bytes there are, if that is known; negative: it isn't.
	Length int64
	// Most is how large it may be, in bytes.
	Most int64
	// Came, if not nil, is told how many bytes have come whenever there is room for more
	// to be made, and every megabyte.
	Came func(bytes int64)
}

// Read reads a body to its end and returns it with what it takes of the budget, which is
// the caller's to release, also where it fails. It fails with ErrFull or ErrNever, before
// anything is read of a body whose length is known; with ErrTooLarge; and as the reader
// does.
func (b *Budget) Read(from io.Reader, o Options) ([]byte, Charge, error) {
	if o.Length > o.Most {
		return nil, Charge{}, ErrTooLarge
	}
	known := o.Length >= 0
	room := min(o.Length, first)
	if !known {
		room = min(o.Most+1, first/8) // one more, to see that there is too much
	}
	c, err := b.Charge(Each + max(o.Length, room))
	if err != nil {
		return nil, c, err
	}
	body := c.room(room)
	told := int64(0)
	for {
		size := int64(len(body))
		switch {
		case known && size == o.Length:
			return body, c, nil
		case size > o.Most:
			return nil, c, ErrTooLarge
		case size == int64(cap(body)):
			if body, err = c.more(body, o); err != nil {
				return nil, c, err
			}
			fallthrough
		case size-told >= 1<<20:
			if told = size; o.Came != nil {
				o.Came(size)
			}
		}
		n, err := from.Read(body[size:cap(body)])
		switch body = body[:size+int64(n)]; {
		case err == io.EOF && known && int64(len(body)) < o.Length:
			return nil, c, io.ErrUnexpectedEOF
		case err == io.EOF && int64(len(body)) <= o.Most:
			return body, c, nil
		case err == io.EOF:
			return nil, c, ErrTooLarge
		case err != nil:
			return nil, c, err
		}
	}
}

// more makes more room for a body: all that it needs where that is known and charged
// already, else twice what it has, as long as it is charged for both.
func (c *Charge) more(body []byte, o Options) ([]byte, error) {
	if o.Length >= 0 {
		return append(c.room(o.Length), body...), nil
	}
	old := int64(cap(body))
	size := min(2*old, o.Most+1)
	if err := c.Grow(size); err != nil {
		return nil, err
	}
	out := append(c.room(size), body...)
	c.shrink(old)
	return out, nil
}
