package server

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/callers"
)

// Some clients send what follows the start of an upload without a credential:
// with Google, the upload's URL is one. So the rewritten URL carries a token of
// the caller that started it, signed, for that upload alone and for a time.
const (
	uploadTokenParameter  = "fluxgate_claim"
	uploadCallerParameter = "fluxgate_caller"
	uploadUntilParameter  = "fluxgate_until" // Unix seconds
	uploadTokenFor        = 24 * time.Hour
	uploadIDParameter     = "upload_id"
	uploadTypeParameter   = "uploadType"
)

// signUpload adds an upload token to the query of an upload URL, which answers r, for
// its caller. An upload that goes on by a signed URL keeps the time of that one.
func (s *Server) signUpload(query url.Values, r *http.Request) {
	until, ok := s.signedUntil(r)
	if !ok {
		until = s.admission.Now().Time().Add(uploadTokenFor).Unix()
	}
	query.Del(uploadTypeParameter)
	query.Set(uploadCallerParameter, callerOf(r))
	query.Set(uploadUntilParameter, strconv.FormatInt(until, 10))
	query.Set(uploadTokenParameter, s.admission.Sign(uploadTokenText(query)))
}

// uploadTokenText is what an upload token covers.
func uploadTokenText(query url.Values) string {
	var b strings.Builder
	for _, name := range []string{uploadCallerParameter, uploadUntilParameter, uploadIDParameter, ownerParameter} {
		b.WriteString(strconv.Quote(query.Get(name)))
	}
	return b.String()
}

// uploader returns the caller that an upload's URL speaks for.
func (s *Server) uploader(r *http.Request) (callers.Caller, bool) {
	until, ok := s.signedUntil(r)
	if !ok || s.admission.Now().Time().Unix() > until {
		return callers.Caller{}, false
	}
	return callers.Caller{Name: r.URL.Query().Get(uploadCallerParameter)}, true
}

// signedUntil returns until when the URL of a request that goes on with an upload
// speaks for a caller, if it does.
func (s *Server) signedUntil(r *http.Request) (int64, bool) {
	query := r.URL.Query()
	until, err := strconv.ParseInt(query.Get(uploadUntilParameter), 10, 64)
	if err != nil || query.Get(uploadIDParameter) == "" || startsUpload(r, query) {
		return 0, false
	}
	return until, s.admission.Signed(uploadTokenText(query), query.Get(uploadTokenParameter))
}

// startsUpload reports whether a request may be understood as the start of an upload,
// or as being for another than the one that it names first.
func startsUpload(r *http.Request, query url.Values) bool {
	for _, commands := range r.Header.Values("X-Goog-Upload-Command") {
		for command := range strings.SplitSeq(commands, ",") {
			if strings.EqualFold(strings.TrimSpace(command), "start") {
				return true
			}
		}
	}
	return len(query[uploadTypeParameter]) > 0 || len(query[uploadIDParameter]) > 1
}
