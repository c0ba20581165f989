package plaintext

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

// Read returns the text of a file that people have written, in UTF-8 and without the
// byte order mark that some editors put first. Windows PowerShell writes UTF-16 with
// a mark where a command's output goes to a file; some programs leave the mark out,
// which is seen by the zero byte of the first character. The error holds nothing of
// the text.
func Read(data []byte) ([]byte, error) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		order, data = binary.LittleEndian, data[2:]
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		order, data = binary.BigEndian, data[2:]
	case len(data) >= 2 && data[0] != 0 && data[1] == 0:
		order = binary.LittleEndian
	case len(data) >= 2 && data[0] == 0 && data[1] != 0:
		order = binary.BigEndian
	default:
		data = bytes.TrimPrefix(data, []byte("\ufeff"))
	}
	if order != nil {
		if len(data)%2 != 0 {
			return nil, errors.New("it is UTF-16 that ends within a character: save it as UTF-8")
		}
		units := make([]uint16, len(data)/2)
		for i := range units {
			units[i] = order.Uint16(data[2*i:])
		}
		data = []byte(string(utf16.Decode(units)))
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, errors.New("it isn't text: save it as UTF-8")
	}
	return data, nil
}
