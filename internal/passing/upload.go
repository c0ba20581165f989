package passing

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Parameters of Google's protocol for uploads.
const (
	UploadID   = "upload_id"
	UploadType = "uploadType"

	uploadProtocol = "upload_protocol"
	resumable      = "resumable"
)

// A Piece is what a request that brings a piece of an upload says of it.
type Piece struct {
	Upload string // the ID of the upload; "": the request is all of one
	Offset int64  // where in the file it begins; negative: it doesn't say
	Last   bool   // it is the last one
}

// PieceOf returns what a request says of the piece that it brings, if it may bring any.
func PieceOf(r *http.Request) (p Piece, brings bool) {
	query := r.URL.Query()
	if StartsUpload(r, query) {
		return Piece{Last: true}, true
	}
	p = Piece{Upload: query.Get(UploadID), Offset: -1}
	for _, list := range r.Header.Values("X-Goog-Upload-Command") {
		for command := range strings.SplitSeq(list, ",") {
			command = strings.ToLower(strings.TrimSpace(command))
			p.Last = p.Last || command == "finalize"
			brings = brings || p.Last || command == "upload"
		}
	}
	if offsets := r.Header.Values("X-Goog-Upload-Offset"); len(offsets) == 1 {
		if n, err := strconv.ParseInt(offsets[0], 10, 64); err == nil {
			p.Offset = n
		}
	}
	return p, brings || r.ContentLength != 0
}

// StartsUpload reports whether a request may be understood as the start of an upload,
// or all of one, or as being for another than the one that it names first. What goes
// on with a resumable upload names the one and says what is to be done.
func StartsUpload(r *http.Request, query url.Values) bool {
	commands, protocols := r.Header.Values("X-Goog-Upload-Command"), slices.Concat(r.Header.Values("X-Goog-Upload-Protocol"), query[uploadProtocol])
	for _, list := range commands {
		for command := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(command), "start") {
				return true
			}
		}
	}
	other := func(protocol string) bool { return !strings.EqualFold(protocol, resumable) }
	return len(commands) == 0 || slices.ContainsFunc(protocols, other) || len(query[UploadType]) > 0 || len(query[UploadID]) != 1
}
