package wait

import (
	"io"
	"net/http"
	"net/url"
	"strings"
)

// urlHeaders hold the URLs with which a client goes on uploading a file. They are the function's, by whatever name it is
// known to itself.
var urlHeaders = []string{"X-Goog-Upload-Url", "X-Goog-Upload-Control-Url"}

// canonicalURL ends the names of headers that hold a URL, as net/http spells them. They go out as Google spells them: its
// Python SDK makes a plain dict of what aiohttp has read, and looks for that.
const canonicalURL = "Url"

// answer passes an answer on, piece by piece as it comes. It cuts the connection where the answer was cut.
func (p *Proxy) answer(w http.ResponseWriter, r *http.Request, response *http.Response) {
	h := w.Header()
	dropHop(response.Header)
	for name, values := range response.Header {
		h[name] = values
	}
	for _, name := range urlHeaders {
		for i, value := range h[name] {
			h[name][i] = p.leadBack(value, r.Host)
		}
		if short, ok := strings.CutSuffix(name, canonicalURL); ok && r.ProtoMajor == 1 && len(h[name]) > 0 {
			h[short+"URL"] = h[name]
			delete(h, name)
		}
	}
	w.WriteHeader(response.StatusCode)
	flush := http.NewResponseController(w)
	_ = flush.Flush() // there is none in tests
	buffer := make([]byte, 32<<10)
	for {
		n, err := response.Body.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return // the client has left
			}
			_ = flush.Flush()
		}
		switch {
		case err == io.EOF:
			return
		case err != nil:
			panic(http.ErrAbortHandler) // an end like any other would make it look whole
		}
	}
}

// leadBack makes a URL of the function's one of the proxy's, by the host that the client knows it by.
func (p *Proxy) leadBack(raw, host string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return raw
	}
	u.Scheme, u.Host = "http", host
	if base := strings.TrimRight(p.target.Path, "/"); base != "" {
		u.Path = strings.TrimPrefix(u.Path, base)
		u.RawPath = strings.TrimPrefix(u.RawPath, base)
	}
	return u.String()
}
