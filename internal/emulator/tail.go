package emulator

import (
	"bytes"
	"io"
	"sync"
)

// tailSize is enough for the stack trace of a failed start.
const tailSize = 8 << 10

// tail passes on what is written to it and keeps the last tailSize bytes.
type tail struct {
	next io.Writer // may be nil

	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - tailSize; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	if t.next != nil {
		// A log that can't be written must not become a broken pipe for the emulator.
		_, _ = t.next.Write(p)
	}
	return len(p), nil
}

func (t *tail) contains(s string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Contains(t.kept, []byte(s))
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}
