package uploadurl

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/callers"
	"fluxgate.dev/fluxgate/internal/passing"
)

// OwnerParameter carries the project of an upload in the URL that the caller sees.
const OwnerParameter = "fluxgate_project"

const (
	uploadTokenParameter  = "fluxgate_claim"
	uploadCallerParameter = "fluxgate_caller" // and, behind a '~', the proof of its token
	uploadUntilParameter  = "fluxgate_until"  // Unix seconds
	uploadTokenFor        = 24 * time.Hour
)

// Keys sign and check what was signed, here or at another instance.
type Keys interface {
	Sign(text string) string
	Signed(text, signature string) bool
}

// URLs signs and reads upload URLs.
type URLs struct {
	Keys Keys
	Now  func() time.Time // of the store
}

// Sign adds an upload token to the query of an upload URL, which answers r, for
// its caller. An upload that goes on by a signed URL keeps the time of that one, and
// the token that it was started with.
func (u URLs) Sign(query url.Values, r *http.Request, caller callers.Caller) {
	claim := caller.Name
	if proof := caller.Proof(u.Keys.Sign); proof != "" {
		claim += proofMark + proof
	}
	until, ok := u.signedUntil(r)
	if !ok {
		until = u.Now().Add(uploadTokenFor).Unix()
	} else if u.IsOf(r, caller.Name) {
		claim = r.URL.Query().Get(uploadCallerParameter)
	}
	query.Del(passing.UploadType)
	query.Set(uploadCallerParameter, claim)
	query.Set(uploadUntilParameter, strconv.FormatInt(until, 10))
	query.Set(uploadTokenParameter, u.Keys.Sign(uploadTokenText(query)))
}

// proofMark is between the name of a caller, which has none in it, and the proof of
// its token. A build that knows no proofs takes both for the name.
const proofMark = "~"

// uploadTokenText is what an upload token covers.
func uploadTokenText(query url.Values) string {
	var b strings.Builder
	for _, name := range []string{uploadCallerParameter, uploadUntilParameter, passing.UploadID, OwnerParameter} {
		b.WriteString(strconv.Quote(query.Get(name)))
	}
	return b.String()
}

// Caller returns the caller that an upload's URL speaks for: as long as its time isn't
// over, and the token is still that caller's with which the upload was started.
func (u URLs) Caller(r *http.Request, all *callers.Authenticator) (callers.Caller, bool) {
	until, ok := u.signedUntil(r)
	if !ok || u.Now().Unix() > until {
		return callers.Caller{}, false
	}
	name, proof, _ := strings.Cut(r.URL.Query().Get(uploadCallerParameter), proofMark)
	return all.Proven(r.Context(), name, proof, u.Keys.Sign)
}

// Of returns the name of the caller that has started the upload with which a
// request goes on by the URL that was made for it.
func (u URLs) Of(r *http.Request) (name string, ok bool) {
	_, ok = u.signedUntil(r)
	name, _, _ = strings.Cut(r.URL.Query().Get(uploadCallerParameter), proofMark)
	return name, ok
}

// IsOf reports whether a request goes on with an upload that a caller has started.
func (u URLs) IsOf(r *http.Request, caller string) bool {
	name, ok := u.Of(r)
	return ok && name == caller
}

// signedUntil returns until when the URL of a request that goes on with an upload
// speaks for a caller, if it does.
func (u URLs) signedUntil(r *http.Request) (int64, bool) {
	query := r.URL.Query()
	until, err := strconv.ParseInt(query.Get(uploadUntilParameter), 10, 64)
	if err != nil || query.Get(passing.UploadID) == "" || passing.StartsUpload(r, query) {
		return 0, false
	}
	return until, u.Keys.Signed(uploadTokenText(query), query.Get(uploadTokenParameter))
}
