package answers

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Who made something is told by what upstream fills in, never by what a caller can
// have repeated.
func TestCreatedResources(t *testing.T) {
	at := time.Date(2026, 11, 30, 1, 2, 3, 0, time.UTC)
	for answer, want := range map[string][]Created{
		`{"file":{"name":"files/a","expirationTime":"2026-11-30T01:02:03Z"}}`:        {{"files/a", at}},
		`{"name":"files/a","expirationTime":"2026-11-30T02:02:03+01:00"}`:            {{"files/a", at}},
		`{"name":"cachedContents/b","expireTime":"2026-11-30T01:02:03Z","model":""}`: {{"cachedContents/b", at}},
		`{"name":"cachedContents/b"}`:                                                {{Name: "cachedContents/b"}},
		`{"displayName":"\"name\":\"files/x\"","name":"files/a"}`:                    {{Name: "files/a"}},
		`{"metadata":{"name":"files/x"}}`:                                            nil, `{"name":"files/../x"}`: nil, `{"name":"https://h/v1/files/a"}`: nil, `[]`: nil, ``: nil, `{"name":1}`: nil,
		`{"name":"files/a","expirationTime":"soon"}`: {{Name: "files/a"}},
	} {
		got := CreatedResources([]byte(answer))
		require.Len(t, got, len(want), answer)
		for i := range want {
			assert.Equal(t, want[i].Name, got[i].Name, answer)
			assert.True(t, want[i].Expires.Equal(got[i].Expires), answer)
		}
	}
}
