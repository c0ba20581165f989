package form

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/payload"
)

// part is a part of a form.
func part(header, value string) string {
	return "--b\r\nContent-Disposition: form-data; name=" + header + "\r\n\r\n" + value + "\r\n"
}

// Another name stands where the model's did, and nowhere else.
func TestRename(t *testing.T) {
	const file = `"file"; filename="a"`
	for _, c := range []struct{ name, before, behind string }{
		{name: "alone"},
		{"the last", part(`"prompt"`, "openai/m") + part(file, "\x00\r\n\r\nopenai/m\r\n"), ""},
		{"the first", "", part(`"prompt"`, "openai/m")},
		{"between", part(file, "x"), part(`"stream"`, "true")},
	} {
		form := func(model string) string { return c.before + part(`"model"`, model) + c.behind + "--b--\r\n" }
		f, err := Read([]byte(form("openai/m")), "multipart/form-data; boundary=b")
		require.NoError(t, err, c.name)
		assert.Equal(t, "openai/m", f.Model)
		assert.Equal(t, c.name == "between", f.Stream)
		for _, model := range []string{"m", "openai/m"} {
			rope, err := f.Rename(model)
			require.NoError(t, err, c.name)
			r := rope.Open()
			text, err := io.ReadAll(r)
			payload.Close(r)
			require.NoError(t, err)
			assert.Equal(t, form(model), string(text), c.name)
			assert.EqualValues(t, len(text), rope.Len())
		}
	}
	// A file in which another part seems to begin.
	f, err := Read([]byte(part(file, "\r\n--bx\r\n\r\n")+part(`"model"`, "openai/m")+"--b--\r\n"), "multipart/form-data; boundary=b")
	require.NoError(t, err)
	_, err = f.Rename("m")
	assert.ErrorIs(t, err, ErrForm)
}
