package callers

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStripQuery(t *testing.T) {
	for _, tt := range []struct{ name, query, want string }{
		{"none", "", ""},
		{"the rest keeps its bytes and its order", "b=%7e%7E+%20&a=&&c&key=x&a=1", "b=%7e%7E+%20&a=&&c&a=1"},
		{"all of them", "key=x&alt=sse&key=y&key", "alt=sse"},
		{"encoded", "%6Bey=x&k%65y=y&%6b%65%79=z&a=b", "a=b"},
		{"in any case, should anybody take that", "KEY=x&Key=y&a=b", "a=b"},
		{"with the dollar that Google allows", "$key=x&%24key=y&a=b", "a=b"},
		{"what Google's API takes besides", "access_token=x&oauth_token=y&bearer_token=z&api_key=w&a=b", "a=b"},
		{"behind a semicolon, which some take for a separator", "a=b;key=x&c=d", "c=d"},
		{"names that only resemble it", "monkey=x&keys=y&pageToken=z&key2=w", "monkey=x&keys=y&pageToken=z&key2=w"},
		{"a name that can't be decoded", "%zz=1&key=x", "%zz=1"},
		{"encoded twice is another name", "%256bey=x", "%256bey=x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request("/v1beta/models")
			r.URL.RawQuery = tt.query
			Strip(r)
			assert.Equal(t, tt.want, r.URL.RawQuery)
		})
	}
}

func TestStripHeaders(t *testing.T) {
	r := request("/x?key="+url.QueryEscape(aliceToken)+"&again="+url.QueryEscape(aliceToken)+
		"&odd="+strings.ToLower(url.QueryEscape(aliceToken))+"&alt=sse",
		"x-goog-api-key: "+aliceToken, "x-goog-api-key: "+aliceToken, "X-Fluxgate-Token: "+aliceToken,
		"Authorization: "+basic("me", aliceToken), "X-Serverless-Authorization: Bearer "+jwt("{}"),
		"Cookie: a=b", "Proxy-Authorization: Basic x", "Api-Key: x", "X-Api-Key: x", "Referer: http://gate/?key=x",
		"X-Forwarded-Authorization: Bearer x", "X-Goog-Iap-Jwt-Assertion: x",
		// Where proxies repeat the URL, or the header, that they were given.
		"X-Original-Url: /x?key="+url.QueryEscape(aliceToken), "X-Envoy-Original-Path: /x?key="+aliceToken,
		"X-Original-Uri: /x?key="+strings.ToLower(url.QueryEscape(aliceToken)), "X-Original-Args: bad=%zz&key="+aliceToken,
		"X-Debug-Auth: "+basic("me", aliceToken),
		"Content-Type: application/json", "X-Goog-Api-Client: genai/1", "X-Fluxgate-Ticket: t", "X-Fluxgate-Fallback: chain")
	r.Trailer = http.Header{"X-Goog-Api-Key": {"x"}, "Checksum": {"y"}}
	r.URL.User = url.UserPassword("me", "hunter2")
	r.RequestURI = r.URL.String()
	require.NoError(t, r.ParseForm())
	Strip(r)
	assert.Equal(t, http.Header{
		"Content-Type": {"application/json"}, "X-Goog-Api-Client": {"genai/1"}, "X-Fluxgate-Ticket": {"t"}, "X-Fluxgate-Fallback": {"chain"},
	}, r.Header)
	assert.Equal(t, http.Header{"Checksum": {"y"}}, r.Trailer)
	assert.Equal(t, "/x?alt=sse", r.URL.String())
	assert.Equal(t, "/x?alt=sse", r.RequestURI, "loggers print this one")
	assert.NotContains(t, r.Form, "key")
	assert.NotContains(t, r.Form, "odd")
	assert.Equal(t, "sse", r.Form.Get("alt"))
}

func TestStripLeavesAccidentsAlone(t *testing.T) {
	// A client that insists on an API key sends "x"; no other header is dropped
	// for having an x in it.
	r := request("/x?alt=text", "x-goog-api-key: x", "X-Goog-Api-Client: x", "Authorization: Bearer test")
	Strip(r)
	assert.Equal(t, http.Header{"X-Goog-Api-Client": {"x"}}, r.Header)
	assert.Equal(t, "alt=text", r.URL.RawQuery)
}

func TestStripOddRequests(t *testing.T) {
	for _, target := range []string{"*", "example.com:443"} {
		r := &http.Request{Method: http.MethodOptions, RequestURI: target, URL: &url.URL{Path: "*"}}
		if target != "*" {
			r.Method, r.URL = http.MethodConnect, &url.URL{Host: target}
		}
		assert.NotPanics(t, func() { Strip(r) })
		assert.Equal(t, target, r.RequestURI)
	}
	assert.NotPanics(t, func() { Strip(new(http.Request)) })
	// Keys of a header that nobody has brought into the usual form.
	r := &http.Request{Header: http.Header{"x-goog-api-key": {"x"}, "cookie": {"y"}}}
	Strip(r)
	assert.Empty(t, r.Header)
}

// forms put a token into a request, each in a way that is accepted.
var forms = []func(r *http.Request, token string){
	func(r *http.Request, token string) { r.Header.Add(apiKeyHeader, token) },
	func(r *http.Request, token string) { r.Header.Add(tokenHeader, " "+token+" ") },
	func(r *http.Request, token string) { r.Header.Add(authorization, "Bearer "+token) },
	func(r *http.Request, token string) {
		r.Header.Add(authorization, "BASIC  "+basic("u", token)[len("Basic "):])
	},
	func(r *http.Request, token string) { r.URL.RawQuery += "&key=" + url.QueryEscape(token) },
	func(r *http.Request, token string) { r.URL.RawQuery += "&k%65y=" + token },
	func(r *http.Request, token string) { r.URL.RawQuery = "key=" + token + "&" + r.URL.RawQuery },
}

func FuzzAuthenticateAndStrip(f *testing.F) {
	f.Add(uint(1), "", "", "", "")
	f.Add(uint(1<<7-1), "alt=sse&a=%zz;key=1", "X-Original-Url", "/?key=", "Bearer")
	f.Add(uint(8), "key=&%6bey=x", "Cookie", "key", "Basic "+base64.StdEncoding.EncodeToString([]byte("u:p")))
	f.Add(uint(16), "a=b&&=;&", "Referer", "\x00\xff", "Basic ===")
	f.Add(uint(64), "%256bey=1&$key=2", "authorization", " ", "Bearer a.b.c")
	authenticators := []*Authenticator{newAuthenticator(f, tokensOfAll, rootsTokens), newAuthenticator(f), newAuthenticator(f, onCloud), newAuthenticator(f, onCloud, withIAM, rootsTokens)}
	f.Fuzz(func(t *testing.T, which uint, query, name, value, auth string) {
		r := request("/v1beta/models")
		r.URL.RawQuery = query
		var used bool
		for i, form := range forms {
			if which>>i&1 == 1 {
				form(r, aliceToken)
				used = true
			}
		}
		r.Header.Add(name, value+aliceToken) // what anybody puts anywhere
		if auth != "" {
			r.Header.Add(authorization, auth)
		}
		r.RequestURI = r.URL.RequestURI()
		for _, b := range authenticators {
			if _, err := b.Authenticate(r); err != nil {
				assert.NotContains(t, err.Error(), aliceToken)
			}
		}
		if !used {
			return // then the token isn't recognised as one, and nobody can look for it
		}
		Strip(r)
		var out bytes.Buffer
		dump, err := httputil.DumpRequest(r, false)
		require.NoError(t, err)
		out.Write(dump)
		out.WriteString(r.URL.String())
		for name, values := range r.Header {
			out.WriteString(name + ": " + strings.Join(values, "\n"))
		}
		for _, spelling := range []string{aliceToken, url.QueryEscape(aliceToken), basic("u", aliceToken)[len("Basic "):]} {
			assert.NotContains(t, out.String(), spelling)
		}
		assert.Empty(t, credentials(r, true), "nothing is left that upstream could take for a second credential")
		assert.False(t, r.URL.Query().Has("key"))
		again := r.Clone(t.Context())
		Strip(again)
		assert.Equal(t, r.URL.String(), again.URL.String(), "nothing is left to strip")
		assert.Equal(t, r.Header, again.Header)
	})
}
