package spelling

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestUnmarshal: members are read in either spelling at any depth, but for those that come as
// they are, and numbers keep their digits.
func TestUnmarshal(t *testing.T) {
	type part struct {
		MIMEType string      `json:"mimeType"`
		Size     json.Number `json:"size"`
	}
	var got struct {
		Parts   []part          `json:"partList"`
		Request json.RawMessage `json:"request"`
	}
	text := `{"part_list":[{"mime_type":"a","size":9007199254740993},{"mimeType":"b"}],"request":{"to_be":"kept"}}`
	require.NoError(t, Unmarshal([]byte(text), &got, "request"))
	assert.Equal(t, []part{{"a", "9007199254740993"}, {"b", ""}}, got.Parts)
	assert.JSONEq(t, `{"to_be":"kept"}`, string(got.Request))
	for _, bad := range []string{"", "{", "{}}", "{} {}"} {
		assert.Error(t, Unmarshal([]byte(bad), &got), bad)
	}
}
