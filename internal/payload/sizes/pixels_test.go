package sizes

import (
	"bytes"
	"encoding/base64"
	"image"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// raw is a picture as it is, without base64.
func raw(t testing.TB, format string, width, height int) []byte {
	b, err := base64.StdEncoding.DecodeString(picture(t, format, width, height))
	require.NoError(t, err)
	return b
}

func sizeOf(b []byte) (width, height int, ok bool) {
	return pixels([]byte(strconv.Quote(base64.StdEncoding.EncodeToString(b))))
}

// TestPixelsOfPhotographs: what stands before the size of a JPEG image doesn't count: a thumbnail,
// which is another such image, markers without a segment, and markers behind several bytes of 255.
func TestPixelsOfPhotographs(t *testing.T) {
	photograph := raw(t, "jpeg", 300, 200)
	thumbnail := raw(t, "jpeg", 16, 12)
	for name, before := range map[string][]byte{
		"a thumbnail":   slices.Concat([]byte{0xff, 0xe1, byte((len(thumbnail) + 2) >> 8), byte(len(thumbnail) + 2)}, thumbnail),
		"filling bytes": {0xff, 0xff, 0xff, 0xe0, 0, 4, 1, 2},
		"no segment":    {0xff, 0x01, 0xff, 0xd0},
		"stray bytes":   {1, 2, 3},
	} {
		w, h, ok := sizeOf(slices.Concat(photograph[:2], before, photograph[2:]))
		assert.True(t, ok, name)
		assert.Equal(t, [2]int{300, 200}, [2]int{w, h}, name)
	}
	for name, b := range map[string][]byte{
		"ends in a segment":    slices.Concat(photograph[:2], []byte{0xff, 0xe1, 0xff, 0xff, 0, 0, 0, 0, 0}),
		"ends behind a marker": {0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 1},
		"no length":            slices.Concat([]byte{0xff, 0xd8, 0xff, 0xe1}, make([]byte, 20)),
		"only markers":         bytes.Repeat([]byte{0xff}, 90_000),
		"no frame":             {0xff, 0xd8, 0xff, 0xda, 0, 0, 0, 0, 0, 0, 0, 0},
		"nothing wide":         {0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 1, 0, 0, 0, 0},
	} {
		_, _, ok := sizeOf(b)
		assert.False(t, ok, name)
	}
}

// FuzzPixels: whatever the standard library reads a size of, this reads the same of.
func FuzzPixels(f *testing.F) {
	for _, format := range []string{"png", "gif", "jpeg"} {
		f.Add(raw(f, format, 300, 200))
		f.Add(raw(f, format, 1, 1))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w, h, ok := sizeOf(b)
		c, _, err := image.DecodeConfig(bytes.NewReader(b))
		if err != nil || len(b) > header/2 {
			return
		}
		if max(c.Width, c.Height) > maxSide || min(c.Width, c.Height) < 1 {
			assert.False(t, ok)
			return
		}
		assert.True(t, ok)
		assert.Equal(t, [2]int{c.Width, c.Height}, [2]int{w, h})
	})
}
