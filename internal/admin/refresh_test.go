package admin

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Numbers of nothing aren't told.
func TestRefreshed(t *testing.T) {
	assert.Equal(t, "policy refreshed: the chain has 6 models of Gemini's list; its answer named no limits, so those built in stay", refreshed(6, 0, 0))
	assert.Equal(t, "policy refreshed: the chain has 6 models of Gemini's list, and limits of 3 models are as its answer says", refreshed(6, 3, 0))
	assert.Equal(t, "policy refreshed: the chain has 1 model of Gemini's list, and limits of 1 model are as its answer says", refreshed(1, 1, 0))
	assert.Equal(t, "policy refreshed: the chain has 6 models of Gemini's list; its answer named no limits, so those built in stay; 2 of its numbers are too large to be believed and were left out", refreshed(6, 0, 2))
}
