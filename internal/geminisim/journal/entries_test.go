package journal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLogGrowsByChunks(t *testing.T) {
	start := time.Date(2026, 6, 10, 19, 0, 0, 0, time.UTC)
	var l entryLog
	for i := range 3*chunkSize + 5 {
		l.add(Entry{Tokens: int64(i), At: start.Add(time.Duration(i/2*2-i%2) * time.Millisecond)})
	}
	all := l.copy()
	require.Len(t, all, 3*chunkSize+5)
	for i := 1; i < len(all); i++ {
		require.False(t, all[i].At.Before(all[i-1].At), "entry %d is out of order", i)
	}
}
