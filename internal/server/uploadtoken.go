package server

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/callers"
	"fluxgate.dev/fluxgate/internal/passing"
)

// Some clients send what follows the start of an upload without a credential:
// with Google, the upload's URL is one. So the rewritten URL carries a token of
// the caller that started it, signed, for that upload alone and for a time.
const (
	uploadTokenParameter  = "fluxgate_claim"
	uploadCallerParameter = "fluxgate_caller" // and, behind a '~', the proof of its token
	uploadUntilParameter  = "fluxgate_until"  // Unix seconds
	uploadTokenFor        = 24 * time.Hour
)

// signUpload adds an upload token to the query of an upload URL, which answers r, for
// its caller. An upload that goes on by a signed URL keeps the time of that one, and
// the token that it was started with.
func (s *Server) signUpload(query url.Values, r *http.Request) {
	claim := callerOf(r)
	if proof := arrivalOf(r).caller.Proof(s.admission.Sign); proof != "" {
		claim += proofMark + proof
	}
	until, ok := s.signedUntil(r)
	if !ok {
		until = s.admission.Now().Time().Add(uploadTokenFor).Unix()
	} else if s.uploadIsOf(r, callerOf(r)) {
		claim = r.URL.Query().Get(uploadCallerParameter)
	}
	query.Del(passing.UploadType)
	query.Set(uploadCallerParameter, claim)
	query.Set(uploadUntilParameter, strconv.FormatInt(until, 10))
	query.Set(uploadTokenParameter, s.admission.Sign(uploadTokenText(query)))
}

// proofMark is between the name of a caller, which has none in it, and the proof of
// its token. A build that knows no proofs takes both for the name.
const proofMark = "~"

// uploadTokenText is what an upload token covers.
func uploadTokenText(query url.Values) string {
	var b strings.Builder
	for _, name := range []string{uploadCallerParameter, uploadUntilParameter, passing.UploadID, ownerParameter} {
		b.WriteString(strconv.Quote(query.Get(name)))
	}
	return b.String()
}

// uploader returns the caller that an upload's URL speaks for: as long as its time isn't
// over, and the token is still that caller's with which the upload was started.
func (s *Server) uploader(r *http.Request) (callers.Caller, bool) {
	until, ok := s.signedUntil(r)
	if !ok || s.admission.Now().Time().Unix() > until {
		return callers.Caller{}, false
	}
	name, proof, _ := strings.Cut(r.URL.Query().Get(uploadCallerParameter), proofMark)
	return s.callers.Proven(r.Context(), name, proof, s.admission.Sign)
}

// uploadOf returns the name of the caller that has started the upload with which a
// request goes on by the URL that was made for it.
func (s *Server) uploadOf(r *http.Request) (name string, ok bool) {
	_, ok = s.signedUntil(r)
	name, _, _ = strings.Cut(r.URL.Query().Get(uploadCallerParameter), proofMark)
	return name, ok
}

// uploadIsOf reports whether a request goes on with an upload that a caller has started.
func (s *Server) uploadIsOf(r *http.Request, caller string) bool {
	name, ok := s.uploadOf(r)
	return ok && name == caller
}

// signedUntil returns until when the URL of a request that goes on with an upload
// speaks for a caller, if it does.
func (s *Server) signedUntil(r *http.Request) (int64, bool) {
	query := r.URL.Query()
	until, err := strconv.ParseInt(query.Get(uploadUntilParameter), 10, 64)
	if err != nil || query.Get(passing.UploadID) == "" || passing.StartsUpload(r, query) {
		return 0, false
	}
	return until, s.admission.Signed(uploadTokenText(query), query.Get(uploadTokenParameter))
}
