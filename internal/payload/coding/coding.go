package coding

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strings"
)

// Known are the content codings that Unpack knows, as a header lists them.
const Known = "gzip, deflate"

// ErrUnknown means that a body is packed in a way that isn't known here.
var ErrUnknown = errors.New("unknown content coding")

// Unpack returns a reader of a body that is packed as its Content-Encoding says: the
// body itself where it isn't packed. It fails with ErrUnknown, and reads nothing yet.
// How much comes out is for the caller to bound: a few bytes may stand for thousands
// of times as many.
func Unpack(body io.Reader, encoding string) (io.Reader, error) {
	coding := ""
	for name := range strings.SplitSeq(encoding, ",") {
		switch name = strings.ToLower(strings.TrimSpace(name)); {
		case name == "", name == "identity":
		case coding != "":
			return nil, ErrUnknown // nobody packs twice
		default:
			coding = name
		}
	}
	switch coding {
	case "":
		return body, nil
	case "gzip", "x-gzip":
		return &unpacker{packed: body, open: func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }}, nil
	case "deflate":
		return &unpacker{packed: body, open: inflate}, nil
	}
	return nil, ErrUnknown
}

// inflate reads the format of zlib, which the coding "deflate" is, or what is inside
// of it, which many take it for.
func inflate(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	if head, err := b.Peek(2); err == nil && head[0]&15 == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(b)
	}
	return flate.NewReader(b), nil
}

// An unpacker opens a packed body when it is first read.
type unpacker struct {
	packed io.Reader
	open   func(io.Reader) (io.Reader, error)
	plain  io.Reader
}

// Read implements io.Reader.
func (u *unpacker) Read(p []byte) (n int, err error) {
	if u.plain == nil {
		if u.plain, err = u.open(u.packed); err != nil {
			u.plain = nil
			return 0, err
		}
	}
	return u.plain.Read(p)
}
