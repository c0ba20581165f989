package returns

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What is known of callers that don't return isn't forgotten because thousands do, and no more
// than twice as many as are asked for are remembered.
func TestCallersAreForgottenOneByOne(t *testing.T) {
	const atLeast = 1024
	r := NewRecords(atLeast)
	for range 64 {
		r.Note("leaves", false)
	}
	for i := range 10_000 {
		if i%1000 == 0 {
			r.Note("leaves", false)
		}
		r.Note(fmt.Sprint("comes-", i), true)
		assert.False(t, r.Of("leaves").Comes(5, 1), "after %d others", i)
		assert.LessOrEqual(t, len(r.recent)+len(r.before), 2*atLeast, "after %d others", i)
		for known := max(i-atLeast+2, 0); known <= i; known += 97 {
			assert.EqualValues(t, 1, r.Of(fmt.Sprint("comes-", known)).seen, "%d after %d others", known, i)
		}
	}
	assert.Zero(t, r.Of("comes-0"), "of thousands before")
}
