package passing

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Parameters of Google's protocol for uploads.
const (
	UploadID   = "upload_id"
	UploadType = "uploadType"

	uploadProtocol = "upload_protocol"
	resumable      = "resumable"
)

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
