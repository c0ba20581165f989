package server

import (
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
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
