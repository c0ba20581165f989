package bodies

import (
	"bytes"
	"io"
)

// A Passing is a body that passes through as it comes, with its charge. What is short, though, is
// held whole, so that it can be sent again where it was refused, as with a key that turns out to be
// invalid. It belongs to one goroutine.
type Passing struct {
	Charge
	whole []byte
	once  io.Reader // what isn't held; nil: it is, or it was taken
}

// Pass returns a body of so many bytes that is to pass through; negative: it isn't known how many.
// Where it fails, as Read does, there is nothing to release.
func (b *Budget) Pass(from io.Reader, length int64) (*Passing, error) {
	if length < 0 || length > first {
		c, err := b.Charge(Each)
		return &Passing{Charge: c, once: from}, err
	}
	whole, c, err := b.Read(from, Options{Length: length, Most: length})
	if err != nil {
		c.Release()
	}
	return &Passing{Charge: c, whole: whole}, err
}

// Take returns the body from its beginning, and whether it is still there.
func (p *Passing) Take() (body io.Reader, there bool) {
	if p.whole != nil {
		return bytes.NewReader(p.whole), true
	}
	body, p.once = p.once, nil
	return body, body != nil
}
