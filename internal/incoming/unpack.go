package incoming

import (
	"io"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload/coding"
)

// Unpack has what is in an answer read instead of its bytes, though it was asked for
// as it is. One in a coding that isn't known here is left alone.
func Unpack(resp *http.Response) {
	plain, err := coding.Unpack(resp.Body, encodingOf(resp))
	if err != nil || plain == resp.Body {
		return
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{plain, resp.Body}
	resp.Header.Del("Content-Encoding")
	resp.ContentLength = -1
}

// encodingOf returns the Content-Encoding of an answer.
func encodingOf(resp *http.Response) string {
	return strings.Join(resp.Header.Values("Content-Encoding"), ",")
}
