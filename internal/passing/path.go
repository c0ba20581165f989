package passing

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/routes"
)

// Clients are told one base URL and append to it what each of them is used to: some
// the API's version, some a slash, some "openai". The same request then comes by
// different paths, of which the meaning is plain all the same. They are brought to
// one Spelling here, before the request is routed, so that there is one route, one
// label in metrics and one request hash for all of them. A path that is a route's
// own is never changed, and what comes out is still routed like any other: nothing
// can be reached in this way that isn't reached without.

var (
	// nativeHeads begin the paths of Gemini's API that are served, after the version, and
	// uploadHeads and downloadHeads those of what lies apart from the others.
	nativeHeads   = routes.Collections(routes.API)
	uploadHeads   = routes.Collections(routes.Upload)
	downloadHeads = routes.Collections(routes.Download)
	// openAIHeads begin paths of OpenAI's API alone, served or not. For the latter
	// their clients get an error that they can read.
	openAIHeads = without(routes.Collections(routes.OpenAI), nativeHeads)
	// bothHeads begin paths of both.
	bothHeads = without(routes.Collections(routes.OpenAI), openAIHeads)
)

// anthropic begins paths of Anthropic's API.
var anthropic = strings.Trim(routes.AnthropicPath, "/")

func without(all, others []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(others, s) })
}

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
// or the path as it is where that isn't plain. Whether what both APIs have, such as the list
// of models, is OpenAI's, which has no place of its own either, byOpenAI says.
func Spelling(path string, byOpenAI bool) string {
	if strings.HasPrefix(path, "/"+routes.VersionBeta+"/models/") && !strings.Contains(path, "//") {
		return path // the most frequent of all
	}
	segments, ok := segmentsOf(path)
	if !ok {
		return path
	}
	var version string
	var upload, download, openAI, messages bool
	rest := segments
prefix:
	for ; len(rest) > 0; rest = rest[1:] {
		switch rest[0] {
		case routes.VersionBeta, routes.VersionOne, routes.VersionAlpha:
			version = rest[0] // the last is the client's own, the others its base URL's
		case "upload":
			upload = true
		case "download":
			download = true
		case "openai":
			openAI = true
		case anthropic:
			messages = true
		default:
			break prefix
		}
	}
	joined := "/" + strings.Join(segments, "/")
	if len(rest) == 0 || upload && download {
		return joined
	}
	head, _, _ := strings.Cut(rest[0], ":")
	tail := strings.Join(rest, "/")
	// What has a colon in it is Google's.
	both := byOpenAI && slices.Contains(bothHeads, head) && !strings.Contains(tail, ":") && (version == "" || version == routes.VersionOne)
	begin, heads := "/", nativeHeads
	switch {
	case messages:
		if upload || download || openAI || tail == "" {
			return joined
		}
		return routes.AnthropicPath + routes.VersionOne + "/" + tail
	case !upload && !download && "/"+head+"/" == routes.SocketPath:
		return "/" + tail // the version is in the method's name
	case openAI || slices.Contains(openAIHeads, head) || both:
		if upload || download || joined == "/"+routes.OpenAIPath+tail {
			return joined
		}
		return routes.OpenAIBase + tail
	case upload:
		begin, heads = routes.UploadPath, uploadHeads
	case download:
		begin, heads = routes.DownloadPath, downloadHeads
	}
	switch {
	case !slices.Contains(heads, head):
		return joined
	case version == "":
		version = routes.VersionBeta
	}
	return begin + version + "/" + tail
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

// byOpenAI reports whether a request for what both APIs have, such as a list of models,
// comes from a client of OpenAI's: those send a Bearer credential, and Google's have other
// places for theirs and name themselves. In front of Cloud Run a Bearer credential
// may be the platform's, beside another one.
func byOpenAI(r *http.Request) bool {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && r.Header.Get("X-Goog-Api-Key") == "" && r.Header.Get("X-Goog-Api-Client") == "" &&
		r.Header.Get("X-Fluxgate-Token") == "" && !r.URL.Query().Has("key")
}

// UpstreamPath returns the upstream path of a request, which is put together with
// routes.VersionBeta: it goes there for the version that it came for. Parts of the API are
// documented for one only, such as the media resolution of single parts and ephemeral
// tokens for v1alpha, and Google's SDKs ask for it by name.
func UpstreamPath(r *http.Request, path string) string {
	asked, to := r.URL.Path, ""
	for _, begin := range []string{routes.UploadPath, routes.DownloadPath} {
		if rest, ok := strings.CutPrefix(path, begin[1:]); ok && strings.HasPrefix(asked, begin) {
			asked, path, to = asked[len(begin)-1:], rest, begin[1:]
		}
	}
	rest, ok := strings.CutPrefix(path, routes.VersionBeta+"/")
	version, _, _ := strings.Cut(strings.TrimPrefix(asked, "/"), "/")
	if ok && version != routes.VersionBeta && slices.Contains(routes.Versions, version) {
		path = version + "/" + rest
	}
	return to + path
}
