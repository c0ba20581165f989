package wait

import (
	"context"
	"io"
	"net/http"
	"net/textproto"
	"strings"

	"fluxgate.dev/fluxgate/internal/callers"
)

// hopHeaders are for one connection only (RFC 9110, section 7.6.1, and what came before it).
var hopHeaders = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
}

// dropHop takes off what is for one connection only.
func dropHop(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(textproto.TrimString(name))
		}
	}
	for _, name := range hopHeaders {
		h.Del(name)
	}
}

// outgoing returns a client's request as it is sent to the function, but for the body and what a try adds: to the same
// path with the same query, without what is for one connection only but for a WebSocket, and without the client's credential unless that is
// what opens the function.
func (p *Proxy) outgoing(r *http.Request) *http.Request {
	in := r.Clone(r.Context())
	if !p.options.KeepCredential {
		callers.Strip(in)
	}
	protocol := upgrade(r)
	dropHop(in.Header)
	if protocol != "" {
		in.Header["Connection"], in.Header["Upgrade"] = []string{"Upgrade"}, []string{protocol}
	}
	if _, ok := in.Header["User-Agent"]; !ok {
		in.Header["User-Agent"] = nil // or net/http would add its own
	}
	return in
}

// try makes the request of one try.
func (p *Proxy) try(ctx context.Context, out *http.Request, body io.ReadCloser, length int64) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, out.Method, p.options.Access.URL+out.URL.EscapedPath(), body)
	if err != nil {
		return nil, err
	}
	request.URL.RawQuery = out.URL.RawQuery
	request.Header = out.Header.Clone()
	request.ContentLength = length
	if length == 0 {
		request.Body = http.NoBody
	}
	return request, p.options.Access.Authorize(request)
}

// upload reports whether a request's body is that of a file, which passes as it comes: it costs no quota, so nobody is
// told to wait for it.
func upload(r *http.Request) bool {
	return strings.Contains(r.URL.Path, "/upload/") && !strings.EqualFold(r.Header.Get("X-Goog-Upload-Command"), "start")
}
