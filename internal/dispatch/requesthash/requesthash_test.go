package requesthash

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A returner is recognised by instances of every build, so a hash is as the release
// 4bd3115 made it.
func TestHashIsThatOfOlderBuilds(t *testing.T) {
	assert.EqualValues(t, 5377695764338279894, Of("alice", "/generate", []byte(`{"prompt":"x"}`)))
	assert.EqualValues(t, 2823920198597599689, Of("", "/v1beta/models/m:generateContent?", []byte(`{}`)))
	assert.NotEqual(t, Of("a", "b/c", nil), Of("ab", "/c", nil))
	assert.NotEqual(t, Of("a", "/b", []byte("c")), Of("a", "/bc", nil))
}
