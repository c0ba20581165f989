package bodies

import (
	"context"
	"io"
	"sync"
)

// free is how much of an answer isn't charged, in bytes: [Each] has it.
const free = 64 << 10

// answers are what one request holds of answers, which may come several at a time.
type answers struct {
	mu     sync.Mutex
	charge Charge
}

type answersKey struct{}

// WithAnswers returns a context for a request in which [ReadAnswer] takes from the budget
// what it reads. Release gives it back, once nothing reads the answers any more.
func (b *Budget) WithAnswers(ctx context.Context) (_ context.Context, release func()) {
	a := &answers{charge: Charge{budget: b}}
	return context.WithValue(ctx, answersKey{}, a), func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.charge.Release()
	}
}

// Take takes so many bytes for what is made of an answer. It fails with ErrFull or
// ErrNever.
func Take(ctx context.Context, bytes int64) error {
	a, _ := ctx.Value(answersKey{}).(*answers)
	if a == nil || bytes <= free {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.charge.Grow(bytes)
}

// ReadAnswer reads an answer that is held whole, to its end, at most so many bytes, and
// takes from the budget of its context what it needs, as it grows. The length is what was
// announced; negative: nothing was. It fails with ErrFull or ErrNever where there is no
// room, with ErrTooLarge, and as the reader does; then it returns what has come.
func ReadAnswer(ctx context.Context, from io.Reader, length, most int64) ([]byte, error) {
	a, _ := ctx.Value(answersKey{}).(*answers)
	begin := int64(first / 8)
	if length >= 0 {
		begin = min(length, most) + 1 // one more, to see the end
	}
	text, err := a.more(nil, begin)
	for err == nil {
		if int64(len(text)) > most {
			return text[:most], ErrTooLarge
		}
		if len(text) == cap(text) {
			if text, err = a.more(text, min(2*int64(cap(text)), most+1)); err != nil {
				break
			}
		}
		var n int
		n, err = from.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
	}
	switch {
	case err == io.EOF && int64(len(text)) > most:
		return text[:most], ErrTooLarge
	case err == io.EOF:
		return text, nil
	}
	return text, err
}

// more makes room for so many bytes of an answer, beside what there is of it.
func (a *answers) more(text []byte, size int64) ([]byte, error) {
	if a == nil {
		return append(make([]byte, 0, size), text...), nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old := int64(cap(text))
	if size > free {
		if err := a.charge.Grow(size); err != nil {
			return text, err
		}
	}
	out := append(a.charge.room(size), text...)
	if old > free {
		a.charge.shrink(old)
	}
	return out, nil
}
