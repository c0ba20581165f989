package server_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
)

// Names that callers make use of lock nobody out: with more than there are places used at
// once on one key, the chain has its own, and each of the others a minute later. Meanwhile
// the message says so.
func TestNamesLockNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		name := func(i int) string { return fmt.Sprintf("/v1beta/models/gemini-9.%d-flash:generateContent", i) }
		const names = 32
		for i := range names {
			w.sim.AddModel(fmt.Sprintf("gemini-9.%d-flash", i), geminisim.Limits{RPM: 10, TPM: 250_000, RPD: 250})
		}
		refused := -1
		for i := range names {
			if a := w.do("POST", name(i), hello); a.Code != http.StatusOK {
				refused = i
				assert.Contains(t, a.failed(http.StatusServiceUnavailable).Message, "no place for one more model until those used in the last minute are quiet")
			}
		}
		assert.Positive(t, refused, "all names found a place")
		assert.Equal(t, http.StatusOK, w.do("POST", "/v1beta/models/auto:generateContent", hello).Code)
		// When there is a place is told, to the millisecond.
		a := w.do("POST", name(refused), hello)
		require.Equal(t, http.StatusServiceUnavailable, a.Code)
		millis, err := strconv.Atoi(a.Header().Get("X-Fluxgate-Retry-Ms"))
		require.NoError(t, err)
		again := time.Duration(millis) * time.Millisecond
		assert.Greater(t, again, 50*time.Second)
		assert.LessOrEqual(t, again, time.Minute+2*time.Second)
		seconds := int64((again + time.Second - 1) / time.Second)
		assert.Equal(t, strconv.FormatInt(seconds, 10), a.Header().Get("Retry-After"))
		time.Sleep(again - time.Millisecond)
		assert.Equal(t, http.StatusServiceUnavailable, w.do("POST", name(refused), hello).Code)
		time.Sleep(time.Millisecond)
		assert.Equal(t, http.StatusOK, w.do("POST", name(refused), hello).Code)
	})
}
