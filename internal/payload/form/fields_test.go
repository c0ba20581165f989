package form

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The texts of a form are told by their fields, its files aren't; what another reader might read otherwise is
// refused.
func TestFields(t *testing.T) {
	const kind = "multipart/form-data; boundary=b"
	part := func(header, value string) string {
		return "--b\r\nContent-Disposition: form-data; " + header + "\r\n\r\n" + value + "\r\n"
	}
	for text, want := range map[string]string{
		part(`name="file_id"`, "file-1") + part(`name="file"; filename="a"`, "no") + "--b--\r\n": `{"file_id":["file-1"]}`,
		part(`name="file_ids[]"`, "a") + part(`name="file_ids[]"`, "b") + "--b--":                `{"file_ids":["a","b"]}`,
	} {
		got, err := Fields([]byte(text), kind)
		require.NoError(t, err)
		assert.JSONEq(t, want, string(got))
	}
	for _, text := range []string{"", "x" + part(`name="a"`, "b") + "--b--", part(`name="a"`, "b") + "--b--x", part(`x="a"`, "b") + "--b--",
		part("name=\"a\"\r\nContent-Disposition: form-data; name=\"file_id\"", "file-1") + "--b--"} {
		_, err := Fields([]byte(text), kind)
		assert.ErrorIs(t, err, ErrForm, text)
	}
}
