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
	for _, waits := range []struct{ first, second bool }{{true, true}, {true, false}, {false, true}} {
		release, err := take(name, waits.first)
		require.NoError(t, err)
		second := make(chan func(), 1)
		go func() {
			release, err := take(name, waits.second)
			assert.NoError(t, err)
			second <- release
		}()
		select {
		case <-second:
			t.Fatal("two at a time, of which one is to be alone")
		case <-time.After(100 * time.Millisecond):
		}
		release()
		(<-second)()
	}

	first, err := take(name, false)
	require.NoError(t, err)
	second, err := take(name, false) // waits for nobody
	require.NoError(t, err)
	first()
	second()

	_, err = take(t.TempDir(), true)
	require.Error(t, err, "a directory is no lock")
}
