package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// upstreamVersion is the API version that everything is sent to.
const upstreamVersion = "v1beta"

const (
	// maxList bounds a page of a list.
	maxList = 8 << 20
	// listTimeout bounds the time that one may take.
	listTimeout = 10 * time.Second
)

// list reads a free list, or a page of it.
func (s *Server) list(ctx context.Context, r *http.Request, to dispatch.Target, path string) ([]byte, http.Header, *upstream.Error) {
	ctx, cancel := context.WithTimeout(to.Context(ctx), listTimeout)
	defer cancel()
	resp, err := forward(ctx, r, to, http.MethodGet, path, http.NoBody, 0)
	if err != nil {
		return nil, nil, upstream.TransportError(ctx, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxList))
	switch {
	case resp.StatusCode != http.StatusOK:
		e := to.Classify(resp.StatusCode, text)
		e.Header = upstream.ErrorHeader(resp.Header)
		return nil, nil, e
	case err != nil:
		return nil, nil, upstream.TransportError(ctx, err)
	}
	return text, resp.Header, nil
}

// forward is exchange for answers that are read here: what is packed in them is
// unpacked.
func forward(ctx context.Context, r *http.Request, to dispatch.Target, method, path string, body io.Reader, length int64) (*http.Response, error) {
	resp, err := exchange(ctx, r, to, method, path, body, length)
	if err == nil {
		unpack(resp)
	}
	return resp, err
}

// unpack has what is in an answer read instead of its bytes, though it was asked for
// as it is. One in a coding that isn't known here is left alone.
func unpack(resp *http.Response) {
	plain, err := payload.Unpack(resp.Body, encodingOf(resp))
	if err != nil || plain == resp.Body {
		return
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{plain, resp.Body}
	resp.Header.Del("Content-Encoding")
	resp.ContentLength = -1
}

// encodingOf returns the Content-Encoding of an answer.
func encodingOf(resp *http.Response) string {
	return strings.Join(resp.Header.Values("Content-Encoding"), ",")
}

// exchange makes an upstream request with the headers and the query of a
// caller's that may pass. The path is one that was put together here.
func exchange(ctx context.Context, r *http.Request, to dispatch.Target, method, path string, body io.Reader, length int64) (*http.Response, error) {
	req, err := to.Provider().NewRequest(ctx, method, upstreamPath(r, path), body)
	if err != nil {
		return nil, fmt.Errorf("make upstream request: %w", err)
	}
	req.URL.RawQuery = upstreamQuery(r.URL)
	req.ContentLength = length
	passHeaders(req.Header, r.Header, requestHeaders)
	switch {
	case strings.HasPrefix(path, "upload/"):
		passUpload(req.Header, r.Header)
	case length > 0:
		// It was read as JSON, in UTF-8. Under another type or charset Google would read
		// something else in it: a form, as which curl sends whatever it is given, or a
		// binary message with names of resources that were not seen here.
		req.Header.Set("Content-Type", "application/json")
	}
	// The bytes are to come as they are.
	req.Header.Set("Accept-Encoding", "identity")
	return to.Provider().Do(req)
}

// maxErrorBody bounds how much of an upstream error is read.
const maxErrorBody = 1 << 20

func readError(body io.Reader) []byte {
	text, err := io.ReadAll(io.LimitReader(body, maxErrorBody))
	if err != nil {
		return nil // an error without its text is classified by its status
	}
	return text
}
