package passing

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Clients are told one base URL and append to it what each of them is used to: some
// the API's version, some a slash, some "openai". The same request then comes by
// different paths, of which the meaning is plain all the same. They are brought to
// one Spelling here, before the request is routed, so that there is one route, one
// label in metrics and one request hash for all of them. A path that is a route's
// own is never changed, and what comes out is still routed like any other: nothing
// can be reached in this way that isn't reached without.

// The versions of Google's API.
const (
	VersionBeta  = "v1beta"
	VersionOne   = "v1"
	VersionAlpha = "v1alpha"
)

var (
	// nativeHeads begin the paths of Gemini's API that are served, after the version.
	nativeHeads = []string{"models", "files", "cachedContents", "interactions"}
	// openAIHeads begin paths of OpenAI's API alone, served or not. For the latter
	// their clients get an error that they can read.
	openAIHeads = []string{"chat", "embeddings", "completions", "responses", "audio", "images", "moderations"}
)

const (
	// UpstreamVersion is the API version that everything is sent to.
	UpstreamVersion = VersionBeta
	// UploadPath begins the paths of uploads, whose URLs may speak for a caller.
	UploadPath = "/upload/"
	// OpenAIPath is where upstream's OpenAI-compatible endpoint lies.
	OpenAIPath = UpstreamVersion + "/openai/"
)

// OpenAIBase is where requests of OpenAI's clients go whose base URL names no place.
const OpenAIBase = "/openai/v1/"

// Respelled returns the request by the path that its route has.
func Respelled(r *http.Request) *http.Request {
	was := r.URL.EscapedPath()
	path := Spelling(was, byOpenAI(r))
	if path == was {
		return r
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return r
	}
	u := *r.URL
	u.Path, u.RawPath = plain, path
	again := new(http.Request)
	*again = *r
	again.URL = &u
	return again
}

// Spelling returns the path of the route that a path means, both of them escaped,
// or the path as it is where that isn't plain. Whether the list of models is
// OpenAI's, which has no place of its own either, byOpenAI says.
func Spelling(path string, byOpenAI bool) string {
	if strings.HasPrefix(path, "/"+VersionBeta+"/models/") && !strings.Contains(path, "//") {
		return path // the most frequent of all
	}
	segments, ok := segmentsOf(path)
	if !ok {
		return path
	}
	var version string
	var upload, openAI bool
	rest := segments
prefix:
	for ; len(rest) > 0; rest = rest[1:] {
		switch rest[0] {
		case VersionBeta, VersionOne, VersionAlpha:
			version = rest[0] // the last is the client's own, the others its base URL's
		case "upload":
			upload = true
		case "openai":
			openAI = true
		default:
			break prefix
		}
	}
	joined := "/" + strings.Join(segments, "/")
	if len(rest) == 0 {
		return joined
	}
	models := rest[0] == "models" && byOpenAI && (version == "" || version == VersionOne)
	tail := strings.Join(rest, "/")
	switch {
	case openAI || slices.Contains(openAIHeads, rest[0]) || models:
		if upload || joined == "/"+OpenAIPath+tail {
			return joined
		}
		return OpenAIBase + tail
	case !slices.Contains(nativeHeads, rest[0]), upload && rest[0] != "files":
		return joined
	case version == "":
		version = VersionBeta
	}
	if upload {
		return UploadPath + version + "/" + tail
	}
	return "/" + version + "/" + tail
}

// segmentsOf returns the segments of an escaped path without empty ones, other than
// the last, which tells "/files/" from "/files". Paths with "." or ".." are left to
// http.ServeMux, which redirects to where they lead.
func segmentsOf(path string) (segments []string, ok bool) {
	path, ok = strings.CutPrefix(path, "/")
	if !ok {
		return nil, false
	}
	segments = strings.Split(path, "/")
	last := len(segments) - 1
	kept := segments[:0]
	for i, s := range segments {
		switch {
		case s == "." || s == "..":
			return nil, false
		case s != "" || i == last:
			kept = append(kept, s)
		}
	}
	return kept, true
}

// byOpenAI reports whether a request for a list of models, or one of them, comes
// from a client of OpenAI's: those send a Bearer credential, and Google's have other
// places for theirs and name themselves. In front of Cloud Run a Bearer credential
// may be the platform's, beside another one.
func byOpenAI(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && r.Header.Get("X-Goog-Api-Key") == "" && r.Header.Get("X-Goog-Api-Client") == "" &&
		r.Header.Get("X-Fluxgate-Token") == "" && !r.URL.Query().Has("key")
}

// UpstreamPath returns the upstream path of a request, which is put together with
// UpstreamVersion. One for v1alpha goes there as v1alpha: parts of the API are
// documented there only, such as the media resolution of single parts and ephemeral
// tokens, and Google's SDKs ask for it by name. v1 and v1beta are one upstream.
func UpstreamPath(r *http.Request, path string) string {
	asked, to := r.URL.Path, ""
	if rest, ok := strings.CutPrefix(path, "upload/"); ok && strings.HasPrefix(asked, UploadPath) {
		asked, path, to = strings.TrimPrefix(asked, "/upload"), rest, "upload/"
	}
	rest, ok := strings.CutPrefix(path, UpstreamVersion+"/")
	if ok && strings.HasPrefix(asked, "/"+VersionAlpha+"/") {
		path = VersionAlpha + "/" + rest
	}
	return to + path
}
