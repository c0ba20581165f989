package server

import (
	"mime"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// What passes between callers and upstream. Everything else stays here:
// credentials, cookies, hop-by-hop headers, what proxies add, and Fluxgate's own.
var (
	requestHeaders = []string{
		"Accept", "Accept-Language", "Api-Revision", "Content-Type", "User-Agent", "X-Goog-Api-Client", "X-Server-Timeout",
	}
	responseHeaders = []string{
		"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Etag", "Last-Modified",
		"Server-Timing", "X-Gemini-Service-Tier",
	}
	queryNames = []string{
		"$alt", "alt", "fields", "filter", "include_input", "last_event_id", "pageSize", "page_size", "pageToken", "page_token", "prettyPrint", "stream",
		"updateMask", "update_mask", "uploadType", "upload_id", "upload_protocol",
	}
)

const (
	// noSniff has no browser take an answer for something that it isn't said to be.
	noSniff = "X-Content-Type-Options"
	// policyHeader and fileSandbox have a browser run nothing of a file's content that
	// is shown as a document of this server's: what is in it is a caller's.
	policyHeader = "Content-Security-Policy"
	fileSandbox  = "default-src 'none'; sandbox"
)

// isPage reports whether an answer is what a browser shows or runs. Gemini sends JSON,
// streams and files; a page is of something on the way there.
func isPage(h http.Header) bool {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	switch {
	case strings.HasSuffix(kind, "html"), strings.HasSuffix(kind, "+xml"), strings.HasSuffix(kind, "/xml"), strings.HasSuffix(kind, "javascript"):
		return true
	}
	return strings.HasPrefix(kind, "multipart/")
}

// settleType gives an answer of no type, which would be guessed, and an empty one of a
// page's the type that no browser shows. (Google's upload service calls what is empty
// text/html.)
func settleType(h http.Header) {
	if h.Get("Content-Type") == "" || isPage(h) {
		h.Set("Content-Type", "application/octet-stream")
	}
}

// isFile reports whether a request asks for what is in a file.
func isFile(r *http.Request) bool {
	query := r.URL.Query()
	return query.Get("alt") == "media" || query.Get("$alt") == "media"
}

// passLength says how long an answer is whose bytes pass as they come.
func passLength(h http.Header, length int64) {
	if length >= 0 {
		h.Set("Content-Length", strconv.FormatInt(length, 10))
	}
}

// uploadHeaders is the prefix of the headers of resumable uploads, which pass
// where uploads are handled.
const uploadHeaders = "X-Goog-Upload-"

// passHeaders copies the headers of the list, but for those that were meant for
// one hop only.
func passHeaders(to, from http.Header, list []string) {
	hop := hopByHop(from)
	for _, name := range list {
		if values, ok := from[name]; ok && !slices.Contains(hop, name) {
			to[name] = values
		}
	}
}

// passUpload copies the headers of uploads.
func passUpload(to, from http.Header) {
	hop := hopByHop(from)
	for name, values := range from {
		if strings.HasPrefix(name, uploadHeaders) && !slices.Contains(hop, name) {
			to[name] = slices.Clone(values)
		}
	}
}

// hopByHop returns the headers that Connection names, as RFC 9110, section 7.6.1,
// has it.
func hopByHop(h http.Header) []string {
	var names []string
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			names = append(names, textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name)))
		}
	}
	return names
}

// upstreamQuery returns the part of a URL's query that goes upstream.
func upstreamQuery(u *url.URL) string {
	if u.RawQuery == "" {
		return ""
	}
	return passQuery(u.Query()).Encode()
}

// passQuery returns the query parameters that go upstream.
func passQuery(from url.Values) url.Values {
	to := make(url.Values)
	for _, name := range queryNames {
		if values, ok := from[name]; ok {
			to[name] = values
		}
	}
	return to
}
