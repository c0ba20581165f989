package admin

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/storage"
)

// A name that Gemini doesn't list may be a slip. Before its list was read nobody knows.
func TestUnlisted(t *testing.T) {
	windows := map[string]int64{"gemini-2.5-flash": 1_048_576}
	for _, c := range []struct {
		chain   []string
		windows map[string]int64
		want    []string
	}{
		{nil, windows, nil},
		{[]string{"gemini-2.5-flash"}, windows, nil},
		{[]string{"nosuch-model", "gemini-2.5-flash"}, windows, []string{"nosuch-model"}},
		{[]string{"nosuch-model"}, nil, nil},
	} {
		assert.Equal(t, c.want, unlisted(storage.Control{Chain: c.chain, Windows: c.windows}), c)
	}
}
