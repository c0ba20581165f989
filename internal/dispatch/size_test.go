package dispatch

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/payload"
)

// Only what is known to be text, and to refer to nothing, counts as that.
func TestBodySizerKnowsPlainText(t *testing.T) {
	for body, want := range map[string]struct{ bytes, textOnly bool }{
		`{"contents":[{"parts":[{"text":"hi"}]}]}`:                                                                          {true, true},
		`{"contents":[{"parts":[{"text":"hi"}]},]}`:                                                                         {true, true},
		`{"contents":[{"parts":[{"fileData":{"fileUri":"https://www.youtube.com/watch?v=x"}}]}]}`:                           {false, false},
		`{"contents":[{"parts":[{"fileData":{"fileUri":"https://www.youtube.com/watch?v=x"}},{"text":"\U0041"}]}]}`:         {false, false},
		`{"contents":[{"parts":[{"text":"hi"}]}],"tools":[{"fileSearch":{"fileSearchStoreNames":["fileSearchStores/a"]}}]}`: {true, false},
		`{tools:[{file_search:{file_search_store_names:['fileSearchStores/a']}}]}`:                                          {true, false},
	} {
		read, err := payload.Read([]byte(body), func(int64) error { return nil })
		require.NoError(t, err, body)
		s := BodySizer(read)
		assert.Equal(t, want.bytes, s.Bytes >= 0, body)
		assert.Equal(t, want.textOnly, s.TextOnly, body)
	}
}
