package passing

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What a request says of the piece that it brings: what isn't clear is not said.
func TestPieceOf(t *testing.T) {
	follow := func(header ...string) *http.Request {
		r, _ := http.NewRequest("POST", "/upload/v1beta/files?upload_id=u", nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		return r
	}
	const command, offset = "X-Goog-Upload-Command", "X-Goog-Upload-Offset"
	for _, tt := range []struct {
		r      *http.Request
		want   Piece
		brings bool
	}{
		{follow(command, "upload", offset, "8"), Piece{"u", 8, false}, true},
		{follow(command, "Upload, Finalize", offset, "8"), Piece{"u", 8, true}, true},
		{follow(command, "upload", command, "finalize", offset, "8", offset, "0"), Piece{"u", -1, true}, true},
		{follow(command, "finalize"), Piece{"u", -1, true}, true},
		{follow(command, "upload", offset, "x"), Piece{"u", -1, false}, true},
		{follow(command, "query"), Piece{"u", -1, false}, false},
		{follow(command, "start, upload, finalize"), Piece{"", 0, true}, true},
		{follow(), Piece{"", 0, true}, true},
	} {
		p, brings := PieceOf(tt.r)
		assert.Equal(t, tt.want, p, tt.r.Header)
		assert.Equal(t, tt.brings, brings, tt.r.Header)
	}
}

// A file isn't said to be packed.
func TestPackedFiles(t *testing.T) {
	to := make(http.Header)
	Upload(to, http.Header{"X-Goog-Upload-Header-Content-Encoding": {"gzip"}, "X-Goog-Upload-Header-Content-Type": {"text/plain"}})
	assert.Equal(t, http.Header{"X-Goog-Upload-Header-Content-Type": {"text/plain"}}, to)
}
