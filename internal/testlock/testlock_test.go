//go:build unix

package testlock

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTurns(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	release, err := take(name)
	require.NoError(t, err)
	second := make(chan func(), 1)
	go func() {
		release, err := take(name)
		assert.NoError(t, err)
		second <- release
	}()
	select {
	case <-second:
		t.Fatal("two at a time")
	case <-time.After(100 * time.Millisecond):
	}
	release()
	(<-second)()

	_, err = take(t.TempDir())
	require.Error(t, err, "a directory is no lock")
}
