package sizes

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"image"
	_ "image/gif"  // its header
	_ "image/jpeg" // its header
	_ "image/png"  // its header
)

// header is how much of an image's base64 is decoded: more than what stands before the size in
// most photographs, such as a thumbnail and a colour profile.
const header = 128 << 10

// pixels returns the width and height of an image, which is a JSON string of base64 or a data: URL
// of it. It reports false where they can't be told.
func pixels(quoted []byte) (width, height int, ok bool) {
	if len(quoted) < 2 || quoted[0] != '"' {
		return 0, 0, false
	}
	data := quoted[1 : len(quoted)-1]
	if bytes.HasPrefix(data, []byte("data:")) {
		comma := bytes.IndexByte(data[:min(len(data), 256)], ',')
		if comma < 0 {
			return 0, 0, false
		}
		data = data[comma+1:]
	}
	data = data[:min(len(data), header)]
	data = bytes.TrimRight(data, "=")
	data = data[:len(data)-len(data)%4] // whole groups; the rest says nothing of the size
	decoded := make([]byte, base64.RawStdEncoding.DecodedLen(len(data)))
	n, err := base64.RawStdEncoding.Decode(decoded, data)
	if err != nil {
		return 0, 0, false
	}
	decoded = decoded[:n]
	if w, h, ok := webP(decoded); ok {
		return w, h, true
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(decoded))
	if err != nil || c.Width <= 0 || c.Height <= 0 || c.Width > maxSide || c.Height > maxSide {
		return 0, 0, false
	}
	return c.Width, c.Height, true
}

// maxSide is more than any provider takes.
const maxSide = 1 << 16

// webP reads the size of a WebP image, in any of its three forms
// (developers.google.com/speed/webp/docs/riff_container).
func webP(b []byte) (width, height int, ok bool) {
	if len(b) < 30 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WEBP" {
		return 0, 0, false
	}
	switch string(b[12:16]) {
	case "VP8 ":
		return int(binary.LittleEndian.Uint16(b[26:]) & 0x3fff), int(binary.LittleEndian.Uint16(b[28:]) & 0x3fff), true
	case "VP8L":
		bits := binary.LittleEndian.Uint32(b[21:])
		return int(bits&0x3fff) + 1, int(bits>>14&0x3fff) + 1, true
	case "VP8X":
		return int(b[24]) | int(b[25])<<8 | int(b[26])<<16 + 1, int(b[27]) | int(b[28])<<8 | int(b[29])<<16 + 1, true
	}
	return 0, 0, false
}
