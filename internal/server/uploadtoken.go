package server

import (
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
)

// signUpload adds an upload token to the query of an upload URL, for its caller.
func (s *Server) signUpload(query url.Values, caller string) {
	query.Set(uploadCallerParameter, caller)
	query.Set(uploadUntilParameter, strconv.FormatInt(s.admission.Now().Time().Add(uploadTokenFor).Unix(), 10))
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

// uploader returns the caller that an upload URL speaks for.
func (s *Server) uploader(query url.Values) (callers.Caller, bool) {
	until, err := strconv.ParseInt(query.Get(uploadUntilParameter), 10, 64)
	if err != nil || query.Get(uploadIDParameter) == "" || s.admission.Now().Time().Unix() > until {
		return callers.Caller{}, false
	}
	if !s.admission.Signed(uploadTokenText(query), query.Get(uploadTokenParameter)) {
		return callers.Caller{}, false
	}
	return callers.Caller{Name: query.Get(uploadCallerParameter)}, true
}
