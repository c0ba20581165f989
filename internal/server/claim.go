package server

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/callers"
)

// Some clients send what follows the start of an upload without a credential:
// with Google, the upload's URL is one. So the rewritten URL carries a claim of
// the caller that started it, signed, for that upload alone and for a time.
const (
	claimParameter   = "fluxgate_claim"
	claimantParam    = "fluxgate_caller"
	claimUntilParam  = "fluxgate_until" // Unix seconds
	claimFor         = 24 * time.Hour
	claimUploadParam = "upload_id"
)

// claim signs the query of an upload URL for its caller.
func (s *Server) claim(query url.Values, caller string) {
	query.Set(claimantParam, caller)
	query.Set(claimUntilParam, strconv.FormatInt(s.gate.Now().Time().Add(claimFor).Unix(), 10))
	query.Set(claimParameter, s.gate.Sign(claimText(query)))
}

// claimText is what a claim's signature covers.
func claimText(query url.Values) string {
	var b strings.Builder
	for _, name := range []string{claimantParam, claimUntilParam, claimUploadParam, ownerParameter} {
		b.WriteString(strconv.Quote(query.Get(name)))
	}
	return b.String()
}

// claimant returns the caller that an upload URL speaks for.
func (s *Server) claimant(query url.Values) (callers.Caller, bool) {
	until, err := strconv.ParseInt(query.Get(claimUntilParam), 10, 64)
	if err != nil || query.Get(claimUploadParam) == "" || s.gate.Now().Time().Unix() > until {
		return callers.Caller{}, false
	}
	if !s.gate.Signed(claimText(query), query.Get(claimParameter)) {
		return callers.Caller{}, false
	}
	return callers.Caller{Name: query.Get(claimantParam)}, true
}
