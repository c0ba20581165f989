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

// Of who never came back nobody is expected at one instance. At several one may have come here and wasn't: so many times four as there are
// instances are expected of 64, and all of who came for one in four at any.
func TestWhoIsExpectedAtSeveralInstances(t *testing.T) {
	for instances, want := range map[int][3]int{0: {0, 4, 64}, 1: {0, 4, 64}, 2: {8, 16, 64}, 4: {16, 32, 64}, 255: {64, 64, 64}} {
		for i, came := range [3]int{0, 1, 16} {
			var r Record
			for j := range 64 {
				r = r.And(j < came)
			}
			n := 0
			for id := range uint64(64) {
				if r.Expects(id, instances) {
					n++
				}
			}
			assert.Equal(t, want[i], n, "came for %d of 64, %d instances", came, instances)
		}
	}
}

// Who came for three of four mostly comes, and so is who isn't known yet taken to.
func TestMostly(t *testing.T) {
	var r Record
	check := func(known, mostly bool) {
		t.Helper()
		k, m := r.Mostly()
		assert.Equal(t, [2]bool{known, mostly}, [2]bool{k, m})
	}
	check(false, true)
	r = r.And(false)
	check(true, false)
	r = r.And(true).And(true)
	check(true, false)
	r = r.And(true)
	check(true, true)
	r = r.And(false)
	check(true, false)
}
