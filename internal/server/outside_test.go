package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An upload goes on where the caller can reach it, whatever stands between. Case C17.
func TestUploadURLsAreTheCallersOwn(t *testing.T) {
	const path = "/upload/v1beta/files"
	long := strings.Repeat("/a", 200)
	for _, tt := range []struct {
		name   string
		header []string // name: value
		want   string
	}{
		{"no proxy", nil, "http://example.com" + path},
		{"Google's front end", []string{"X-Forwarded-Proto: https", `Forwarded: for="192.0.2.1";proto=https`}, "https://example.com" + path},
		{"two proxies", []string{"X-Forwarded-Proto: https,http"}, "https://example.com" + path},
		{"two proxies, with a blank", []string{"X-Forwarded-Proto: https , http"}, "https://example.com" + path},
		{"in two lines", []string{"X-Forwarded-Proto: https", "X-Forwarded-Proto: http"}, "https://example.com" + path},
		{"the other way round", []string{"X-Forwarded-Proto: http, https"}, "http://example.com" + path},
		{"capitals", []string{"X-Forwarded-Proto: HTTPS"}, "https://example.com" + path},
		{"host", []string{"X-Forwarded-Host: api.example:8443, internal"}, "http://api.example:8443" + path},
		{"IPv6", []string{"X-Forwarded-Host: [2001:db8::1]:8443"}, "http://[2001:db8::1]:8443" + path},
		{"prefix", []string{"X-Forwarded-Prefix: /gemini/"}, "http://example.com/gemini" + path},
		{"prefix without a slash", []string{"X-Forwarded-Prefix: gemini"}, "http://example.com/gemini" + path},
		{"a prefix of each proxy", []string{"X-Forwarded-Prefix: /a, /b"}, "http://example.com/a/b" + path},
		{"no prefix", []string{"X-Forwarded-Prefix: /"}, "http://example.com" + path},
		{"all three", []string{"X-Forwarded-Proto: https", "X-Forwarded-Host: api.example", "X-Forwarded-Prefix: /v"}, "https://api.example/v" + path},
		{"RFC 7239", []string{"Forwarded: For=192.0.2.1; Proto=HTTPS; Host=\"api.example:8443\""}, "https://api.example:8443" + path},
		{"RFC 7239, several", []string{"Forwarded: for=192.0.2.1, for=10.0.0.1;proto=https;host=api.example", "Forwarded: proto=http;host=internal"}, "https://api.example" + path},
		{"RFC 7239, quoted comma", []string{`Forwarded: for="a,b;c=\"d";proto=https`}, "https://example.com" + path},
		{"RFC 7239 goes first", []string{"Forwarded: proto=https;host=a.example", "X-Forwarded-Proto: http", "X-Forwarded-Host: b.example"}, "https://a.example" + path},
		{"RFC 7239 says nothing of it", []string{"Forwarded: for=192.0.2.1", "X-Forwarded-Proto: https"}, "https://example.com" + path},
		{"RFC 7239, unquoted port", []string{"Forwarded: host=api.example:8443"}, "http://api.example:8443" + path},
		// Malformed or hostile: as if it hadn't been said.
		{"another scheme", []string{"X-Forwarded-Proto: javascript"}, "http://example.com" + path},
		{"a scheme with more", []string{"X-Forwarded-Proto: https://evil.example/?"}, "http://example.com" + path},
		{"a host with a path", []string{"X-Forwarded-Host: evil.example/x"}, "http://example.com" + path},
		{"a host with a user", []string{"X-Forwarded-Host: user@evil.example"}, "http://example.com" + path},
		{"a host with a query", []string{"X-Forwarded-Host: evil.example?"}, "http://example.com" + path},
		{"a host with a line break", []string{"X-Forwarded-Host: evil.example\r\nX-A: b"}, "http://example.com" + path},
		{"a host with a backslash", []string{`X-Forwarded-Host: evil.example\x`}, "http://example.com" + path},
		{"no host at all", []string{"X-Forwarded-Host: , a.example"}, "http://a.example" + path},
		{"a long host", []string{"X-Forwarded-Host: " + strings.Repeat("a", 300)}, "http://example.com" + path},
		{"a port of letters", []string{"X-Forwarded-Host: evil.example:x"}, "http://example.com" + path},
		{"a prefix that climbs", []string{"X-Forwarded-Prefix: /a/../b"}, "http://example.com" + path},
		{"a prefix that climbs, encoded", []string{"X-Forwarded-Prefix: /%2e%2e"}, "http://example.com" + path},
		{"a prefix that is a host", []string{"X-Forwarded-Prefix: //evil.example"}, "http://example.com/evil.example" + path},
		{"a prefix with a query", []string{"X-Forwarded-Prefix: /a?b#"}, "http://example.com" + path},
		{"a long prefix", []string{"X-Forwarded-Prefix: " + long}, "http://example.com" + path},
		{"one prefix of two", []string{"X-Forwarded-Prefix: /a, /b?"}, "http://example.com" + path},
		{"RFC 7239, broken", []string{"Forwarded: proto=https;host=\"evil.example"}, "http://example.com" + path},
		{"RFC 7239, hostile", []string{`Forwarded: proto="javascript";host="evil.example/x"`}, "http://example.com" + path},
		{"RFC 7239, hostile before others", []string{`Forwarded: host="evil.example/x"`, "X-Forwarded-Host: b.example"}, "http://b.example" + path},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, setup{})
			r := httptest.NewRequest("POST", path, strings.NewReader(`{}`))
			r.Header.Set("X-Goog-Upload-Protocol", "resumable")
			r.Header.Set("X-Goog-Upload-Command", "start")
			for _, line := range tt.header {
				name, value, _ := strings.Cut(line, ": ")
				r.Header.Add(name, value)
			}
			rec := httptest.NewRecorder()
			w.ServeHTTP(rec, r)
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			to, _, _ := strings.Cut(answer{rec, t}.Header().Get("X-Goog-Upload-Url"), "?")
			assert.Equal(t, tt.want, to)
		})
	}
}

// Without a proxy, TLS is seen by itself; what ends TLS knows better.
func TestUploadURLsOverTLS(t *testing.T) {
	for proto, want := range map[string]string{"": "https", "http": "http", "https": "https", "x": "https"} {
		w := newWorld(t, setup{})
		r := httptest.NewRequest("POST", "/upload/v1beta/files", strings.NewReader(`{}`))
		r.TLS = new(tls.ConnectionState)
		r.Header.Set("X-Goog-Upload-Protocol", "resumable")
		r.Header.Set("X-Goog-Upload-Command", "start")
		r.Header.Set("X-Forwarded-Proto", proto)
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		u, err := url.Parse(answer{rec, t}.Header().Get("X-Goog-Upload-Url"))
		require.NoError(t, err)
		assert.Equal(t, want, u.Scheme, proto)
	}
}

// What is forged changes nobody's rights: the URL speaks for the caller that
// started the upload, wherever it points, and the host is no part of that.
func TestForwardedHeadersLetNobodyIn(t *testing.T) {
	w := guarded(t)
	for _, header := range [][]string{nil, {"X-Forwarded-Host", "127.0.0.1"}, {"Forwarded", "host=localhost;proto=https"}, {"X-Forwarded-Prefix", "/health"}} {
		a := w.do("POST", "/upload/v1beta/files", `{}`, append(header, "X-Goog-Upload-Command", "start")...)
		assert.Equal(t, http.StatusUnauthorized, a.Code, header)
		assert.Empty(t, a.Header().Get("X-Goog-Upload-Url"))
	}
}

// Google's Python SDK looks for one spelling of the header when it uses aiohttp,
// case F4. Over HTTP/2 all names are in lower case.
func TestUploadHeaderIsSpelledAsGoogleDoes(t *testing.T) {
	w := newWorld(t, setup{})
	conn, err := net.Dial("tcp", w.serve())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprint(conn, "POST /upload/v1beta/files HTTP/1.1\r\nHost: x\r\nX-Goog-Upload-Protocol: resumable\r\nX-Goog-Upload-Command: start\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
	require.NoError(t, err)
	text, err := io.ReadAll(bufio.NewReader(conn))
	require.NoError(t, err)
	assert.Contains(t, string(text), "\r\nX-Goog-Upload-URL: http://x/upload/v1beta/files?")
	assert.Contains(t, string(text), "\r\nX-Goog-Upload-Control-URL: http://x/upload/v1beta/files?")
	assert.NotContains(t, string(text), "Upload-Url", "and once only")
	assert.Contains(t, string(text), "\r\nX-Goog-Upload-Status: active\r\n")

	server := httptest.NewUnstartedServer(w.Server)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/upload/v1beta/files", strings.NewReader("{}"))
	require.NoError(t, err)
	r.Header = http.Header{"X-Goog-Upload-Protocol": {"resumable"}, "X-Goog-Upload-Command": {"start"}}
	resp, err := server.Client().Do(r)
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, 2, resp.ProtoMajor)
	assert.Len(t, resp.Header.Values("X-Goog-Upload-Url"), 1)
	assert.Contains(t, resp.Header.Get("X-Goog-Upload-Url"), "https://")
}
