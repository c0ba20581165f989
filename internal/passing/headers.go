package passing

import (
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

var (
	// RequestHeaders pass from callers to upstream.
	RequestHeaders = []string{
		"Accept", "Accept-Language", "Api-Revision", "Content-Type", "User-Agent", "X-Goog-Api-Client", "X-Server-Timeout",
	}
	// ResponseHeaders pass from upstream to callers.
	ResponseHeaders = []string{
		"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Etag", "Last-Modified",
		"Server-Timing", "X-Gemini-Service-Tier",
	}
	// FileRequestHeaders pass to upstream beside them, and FileResponseHeaders to callers,
	// where what is in a file is asked for: it may be a part that is wanted, or only what is
	// new.
	FileRequestHeaders  = []string{"If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Range"}
	FileResponseHeaders = []string{"Accept-Ranges", "Content-Range"}

	// OtherRequestHeaders and OtherResponseHeaders pass beside them where the provider isn't Gemini, and those that
	// [IsOther] tells.
	OtherRequestHeaders = []string{
		idempotencyKey, "X-Client-Request-Id",
		// By which Claude Code and Codex say who asks, and of which session
		// (github.com/openai/codex, codex-rs; Claude Code's as captured by many).
		"Conversation_id", "Originator", "Session-Id", "Session_id", "Thread-Id", "Version", "X-App",
	}
	// What Codex reads of answers is among them: the model that answered, and whether thoughts are counted (codex-rs,
	// codex-api/src/sse/responses.rs).
	OtherResponseHeaders = []string{"Openai-Model", "Openai-Processing-Ms", "Openai-Version", "Request-Id", "X-Models-Etag", "X-Reasoning-Included"}

	queryNames = []string{
		"$alt", "after", "alt", "fields", "filter", "force", "include_input", "last_event_id", "limit", "pageSize", "page_size", "pageToken", "page_token", "prettyPrint", "stream",
		"updateMask", "update_mask", "uploadType", "upload_id", "upload_protocol",
	}
)

const (
	// NoSniff has no browser take an answer for something that it isn't said to be.
	NoSniff = "X-Content-Type-Options"
	// PolicyHeader and FileSandbox have a browser run nothing of a file's content that
	// is shown as a document of this server's: what is in it is a caller's.
	PolicyHeader = "Content-Security-Policy"
	FileSandbox  = "default-src 'none'; sandbox"
)

// Values of headers, shared by all that have them and never changed.
var (
	NoSniffValue = []string{"nosniff"}
	JSONType     = []string{"application/json"}
	Identity     = []string{"identity"} // of Accept-Encoding: the bytes are to come as they are
)

// IsPage reports whether an answer is what a browser shows or runs. Gemini sends JSON,
// streams and files; a page is of something on the way there.
func IsPage(h http.Header) bool {
	given := h.Get("Content-Type")
	if rest, ok := strings.CutPrefix(given, "application/json"); ok && (rest == "" || rest[0] == ';') {
		return false // nearly every answer, whatever its parameters
	}
	kind, _, _ := mime.ParseMediaType(given)
	switch {
	case strings.HasSuffix(kind, "html"), strings.HasSuffix(kind, "+xml"), strings.HasSuffix(kind, "/xml"), strings.HasSuffix(kind, "javascript"):
		return true
	}
	return strings.HasPrefix(kind, "multipart/")
}

// SettleType gives an answer of no type, which would be guessed, and an empty one of a
// page's the type that no browser shows. (Google's upload service calls what is empty
// text/html.)
func SettleType(h http.Header) {
	if h.Get("Content-Type") == "" || IsPage(h) {
		h.Set("Content-Type", "application/octet-stream")
	}
}

// IsWhole reports whether a request asks for all of an answer, and in JSON: with
// "fields" a caller may leave out what an answer consists of.
func IsWhole(r *http.Request) bool {
	if r.URL.RawQuery == "" {
		return true
	}
	query := r.URL.Query()
	alt := query.Get("alt")
	return !query.Has("fields") && !query.Has("$alt") && (alt == "" || alt == "json" || alt == "sse")
}

// IsFile reports whether a request asks for what is in a file.
func IsFile(r *http.Request) bool {
	if r.Method != http.MethodPost && r.Context().Value(fileKey{}) != nil {
		return true
	}
	if r.URL.RawQuery == "" {
		return false
	}
	query := r.URL.Query()
	return query.Get("alt") == "media" || query.Get("$alt") == "media"
}

// Length says how long an answer is whose bytes pass as they come.
func Length(h http.Header, length int64) {
	if length >= 0 {
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
}

// UploadHeaders is the prefix of the headers of resumable uploads, which pass
// where uploads are handled.
const UploadHeaders = "X-Goog-Upload-"

// Headers copies the headers of the list, but for those that were meant for
// one hop only.
func Headers(to, from http.Header, list []string) {
	hop := hopByHop(from)
	for _, name := range list {
		if values, ok := from[name]; ok && !slices.Contains(hop, name) {
			to[name] = values
		}
	}
}

// otherPrefixes begin the names of headers that clients of other providers have ever more of: "anthropic-beta" and the
// like are to be forwarded whatever they are, and by "x-claude-code-" and "x-codex-" these say who asks
// (code.claude.com/docs/en/llm-gateway-protocol; github.com/openai/codex).
var otherPrefixes = []string{"Anthropic-", "X-Claude-Code-", "X-Stainless-", "X-Codex-", "Openai-", "X-Openai-"}

// kept are the words in names of those that stay here: they say in whose name a key is used, or for which of its
// organisation's workspaces, projects or customers (a user profile), on whose limits or bill the request would count then;
// or are what one organisation's server gave a client, to be sent back to that one; or may be secrets.
var kept = []string{
	"account", "auth", "cookie", "credential", "fedramp", "key", "organization", "profile", "project", "secret", "token", "turn-state", "workspace",
}

// IsOther reports whether a header of a request passes by its name where the provider isn't Gemini.
func IsOther(name string) bool {
	if !slices.ContainsFunc(otherPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
		return false
	}
	name = strings.ToLower(name) // of words behind anything but "-" the first letter isn't large
	return !slices.ContainsFunc(kept, func(word string) bool { return strings.Contains(name, word) })
}

// OtherHeaders copies the headers of a request that pass to other providers than Gemini alone.
func OtherHeaders(to, from http.Header) {
	Headers(to, from, OtherRequestHeaders)
	hop := hopByHop(from)
	for name, values := range from {
		if IsOther(name) && !slices.Contains(hop, name) {
			to[name] = values
		}
	}
}

// packedFile says that a file comes packed. It doesn't pass: what is in a file couldn't be looked
// through then (package batchlines), and no client of Google's sends it.
const packedFile = UploadHeaders + "Header-Content-Encoding"

// Upload copies the headers of uploads.
func Upload(to, from http.Header) {
	hop := hopByHop(from)
	for name, values := range from {
		if strings.HasPrefix(name, UploadHeaders) && name != packedFile && !slices.Contains(hop, name) {
			to[name] = slices.Clone(values)
		}
	}
}

// idempotencyKey has a provider answer what it has answered before, to whoever says the same.
const idempotencyKey = "Idempotency-Key"

// OwnIdempotency makes of the key that a caller has for a request one that is no other caller's:
// to the provider all are one.
func OwnIdempotency(h http.Header, caller string) {
	if key := h.Get(idempotencyKey); key != "" {
		sum := sha256.Sum256([]byte(caller + "\x00" + key))
		h.Set(idempotencyKey, hex.EncodeToString(sum[:16]))
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

// Query returns the part of a URL's query that goes upstream.
func Query(u *url.URL) string {
	if u.RawQuery == "" {
		return ""
	}
	return QueryValues(u.Query()).Encode()
}

// QueryValues returns the query parameters that go upstream.
func QueryValues(from url.Values) url.Values {
	to := make(url.Values)
	for _, name := range queryNames {
		if values, ok := from[name]; ok {
			to[name] = values
		}
	}
	return to
}
