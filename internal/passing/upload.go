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
	p = Piece{Upload: query.Get(UploadID), Offset: -1, Last: hasCommand(r, "finalize")}
	if offsets := r.Header.Values("X-Goog-Upload-Offset"); len(offsets) == 1 {
		if n, err := strconv.ParseInt(offsets[0], 10, 64); err == nil {
			p.Offset = n
		}
	}
	return p, p.Last || hasCommand(r, "upload") || r.ContentLength != 0
}

// hasCommand reports whether a command is among those of a request.
func hasCommand(r *http.Request, command string) bool {
	for _, list := range r.Header.Values("X-Goog-Upload-Command") {
		for one := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(one), command) {
				return true
			}
		}
	}
	return false
}

// StartsUpload reports whether a request may be understood as the start of an upload,
// or all of one, or as being for another than the one that it names first. What goes
// on with a resumable upload names the one and says what is to be done.
func StartsUpload(r *http.Request, query url.Values) bool {
	protocols := slices.Concat(r.Header.Values("X-Goog-Upload-Protocol"), query[uploadProtocol])
	other := func(protocol string) bool { return !strings.EqualFold(protocol, resumable) }
	return hasCommand(r, "start") || len(r.Header.Values("X-Goog-Upload-Command")) == 0 || slices.ContainsFunc(protocols, other) || len(query[UploadType]) > 0 || len(query[UploadID]) != 1
}
