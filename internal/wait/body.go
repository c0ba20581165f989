package wait

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

const (
	// MaxBody bounds one body, in bytes. What a function takes at most is less.
	MaxBody = 1 << 30
	// step is how much more memory a body asks for at a time, in bytes.
	step = 64 << 10
)

// errTooLarge says that a body is larger than MaxBody.
var errTooLarge = errors.New("the body is too large")

// A budget is the memory that all bodies together may take, in bytes.
type budget struct {
	most int64
	used atomic.Int64
}

// take reserves memory, if there is some left.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.most {
		return true
	}
	b.used.Add(-n)
	return false
}

// A body is held for as many tries as it takes: in memory, or in a file.
type body struct {
	budget *budget
	taken  int64
	chunks [][]byte
	file   *os.File
	size   int64
}

// hold reads a body to its end, of which a length is announced; negative: none. What it takes is given back by close,
// also after an error.
func (b *budget) hold(from io.Reader, length int64) (*body, error) {
	held := &body{budget: b}
	from = io.LimitReader(from, MaxBody+1)
	room := int64(step)
	if length >= 0 {
		room = min(room, length+1) // one more, to see its end
	}
	for b.take(room) {
		held.taken += room
		chunk := make([]byte, room)
		n, err := fill(chunk, from)
		held.chunks = append(held.chunks, chunk[:n])
		held.size += int64(n)
		switch {
		case err == io.EOF:
			return held, nil
		case err != nil:
			return held, err
		}
		room = step
	}
	return held, held.spill(from)
}

// fill reads until a chunk is full. io.ReadFull would not tell a body that is cut from one that ends.
func fill(chunk []byte, from io.Reader) (n int, err error) {
	for n < len(chunk) && err == nil {
		var k int
		k, err = from.Read(chunk[n:])
		n += k
	}
	return n, err
}

// spill moves what has come to a file, and what is to come. The file has no name where an open one may be without.
func (b *body) spill(rest io.Reader) (err error) {
	if b.file, err = os.CreateTemp("", "fluxgate-wait-"); err != nil {
		return fmt.Errorf("holding a body: %w", err)
	}
	_ = os.Remove(b.file.Name()) // if that fails, close does it
	for _, chunk := range b.chunks {
		if _, err = b.file.Write(chunk); err != nil {
			return fmt.Errorf("holding a body: %w", err)
		}
	}
	b.chunks = nil
	b.budget.used.Add(-b.taken)
	b.taken = 0
	n, err := io.Copy(b.file, rest)
	if b.size += n; err == nil && b.size > MaxBody {
		err = errTooLarge
	}
	return err
}

// reader returns the body from its beginning.
func (b *body) reader() io.ReadCloser {
	if b.file != nil {
		return io.NopCloser(io.NewSectionReader(b.file, 0, b.size))
	}
	readers := make([]io.Reader, len(b.chunks))
	for i, chunk := range b.chunks {
		readers[i] = bytes.NewReader(chunk)
	}
	return io.NopCloser(io.MultiReader(readers...))
}

// close gives back what the body took.
func (b *body) close() {
	b.budget.used.Add(-b.taken)
	b.taken, b.chunks = 0, nil
	if b.file != nil {
		_ = b.file.Close()
		_ = os.Remove(b.file.Name())
	}
}
