package sizes

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
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
	for _, read := range []func([]byte) (int, int, bool){webP, pngSize, gifSize, jpegSize} {
		if w, h, ok := read(decoded); ok {
			return w, h, 0 < w && w <= maxSide && 0 < h && h <= maxSide
		}
	}
	return 0, 0, false
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

// The standard library's packages of images, png, gif and jpeg, are 0.2 MB of the function, for they
// bring what decodes and draws along. A size is all that is needed.

// pngSize reads the size of a PNG image, which its first chunk tells (www.w3.org/TR/png-3/#11IHDR).
func pngSize(b []byte) (width, height int, ok bool) {
	if len(b) < 24 || string(b[:8]) != "\x89PNG\r\n\x1a\n" || string(b[12:16]) != "IHDR" {
		return 0, 0, false
	}
	return int(binary.BigEndian.Uint32(b[16:])), int(binary.BigEndian.Uint32(b[20:])), true
}

// gifSize reads the size of a GIF image (www.w3.org/Graphics/GIF/spec-gif89a.txt, section 18).
func gifSize(b []byte) (width, height int, ok bool) {
	if len(b) < 10 || string(b[:6]) != "GIF87a" && string(b[:6]) != "GIF89a" {
		return 0, 0, false
	}
	return int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:])), true
}

// jpegSize reads the size of a JPEG image, which the first frame's segment tells, behind however many
// others (www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B).
func jpegSize(b []byte) (width, height int, ok bool) {
	if !bytes.HasPrefix(b, []byte{0xff, 0xd8}) {
		return 0, 0, false
	}
	for b = b[2:]; ; {
		start := bytes.IndexByte(b, 0xff)
		if start < 0 {
			return 0, 0, false
		}
		for b = b[start:]; len(b) > 0 && b[0] == 0xff; b = b[1:] { // a marker may stand behind several of them
		}
		if len(b) < 8 {
			return 0, 0, false
		}
		marker := b[0]
		switch {
		case marker <= 0x01 || 0xd0 <= marker && marker <= 0xd8: // no segment: no more than the marker
			b = b[1:]
			continue
		case marker == 0xd9 || marker == 0xda: // the end, or the image itself, and no frame was told
			return 0, 0, false
		case 0xc0 <= marker && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			return int(binary.BigEndian.Uint16(b[6:])), int(binary.BigEndian.Uint16(b[4:])), true
		}
		b = b[min(1+int(binary.BigEndian.Uint16(b[1:])), len(b)):]
	}
}
