package geminisim

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
)

// TestRequestLog: every request is in it, with the credentials that it carried
// and the names of what came along, and with no value of anything.
func TestRequestLog(t *testing.T) {
	s, _ := newSim(Config{})
	f := uploadRaw(t, s, "content")
	url := startUpload(t, s, "")
	for _, tc := range []struct {
		name, method, path, body string
		header                   []string
		want                     journal.Request
	}{
		{"header", "POST", "/v1beta/models/" + flash + ":countTokens", prompt("x"), []string{"x-goog-api-key", key1, "X-Fluxgate-Token", "caller-secret", "TE", "trailers"},
			journal.Request{Headers: []string{"Te", "X-Fluxgate-Token", "X-Goog-Api-Key"}, Credentials: []credentials.Credential{{Form: credentials.FormAPIKeyHeader, Fingerprint: credentials.Fingerprint(key1)}},
				Project: "alpha", Key: credentials.Fingerprint(key1), Status: 200}},
		{"query", "GET", "/v1beta/" + f.Name + "?key=" + key2 + "&alt=json", "", nil,
			journal.Request{Headers: []string{}, Query: []string{"alt", "key"}, Credentials: []credentials.Credential{{Form: credentials.FormQuery, Fingerprint: credentials.Fingerprint(key2)}},
				Project: Key{Value: key2}.ProjectID(), Key: credentials.Fingerprint(key2), Status: 403}},
		{"bearer", "GET", "/v1beta/openai/models", "", []string{"Authorization", "Bearer " + key1},
			journal.Request{Headers: []string{"Authorization"}, Credentials: []credentials.Credential{{Form: credentials.FormBearer, Fingerprint: credentials.Fingerprint(key1)}}, Project: "alpha", Key: credentials.Fingerprint(key1), Status: 200}},
		{"basic", "GET", "/v1beta/models", "", []string{"Authorization", "Basic bmFtZTpjYWxsZXItc2VjcmV0"},
			journal.Request{Headers: []string{"Authorization"}, Credentials: []credentials.Credential{{Form: credentials.FormAuthorization, Fingerprint: credentials.Fingerprint("caller-secret")}}, Key: credentials.Fingerprint("caller-secret"), Status: 401}},
		{"several", "POST", "/v1beta/models/" + flash + ":generateContent?key=" + key2, prompt("x"), []string{"x-goog-api-key", key1, "Authorization", "Bearer caller-secret"},
			journal.Request{Headers: []string{"Authorization", "X-Goog-Api-Key"}, Query: []string{"key"}, Credentials: []credentials.Credential{{Form: credentials.FormAPIKeyHeader, Fingerprint: credentials.Fingerprint(key1)},
				{Form: credentials.FormQuery, Fingerprint: credentials.Fingerprint(key2)}, {Form: credentials.FormBearer, Fingerprint: credentials.Fingerprint("caller-secret")}}, Status: 400}},
		{"none", "GET", "/v1beta/files", "", nil, journal.Request{Headers: []string{}, Status: 403}},
		{"unknown key", "GET", "/v1beta/files", "", []string{"x-goog-api-key", "caller-secret"},
			journal.Request{Headers: []string{"X-Goog-Api-Key"}, Credentials: []credentials.Credential{{Form: credentials.FormAPIKeyHeader, Fingerprint: credentials.Fingerprint("caller-secret")}}, Key: credentials.Fingerprint("caller-secret"), Status: 400}},
		{"no such URL", "GET", "/other", "", []string{"x-goog-api-key", key1},
			journal.Request{Headers: []string{"X-Goog-Api-Key"}, Credentials: []credentials.Credential{{Form: credentials.FormAPIKeyHeader, Fingerprint: credentials.Fingerprint(key1)}}, Project: "alpha", Key: credentials.Fingerprint(key1), Status: 404}},
		{"upload session", "POST", url, "", []string{"X-Goog-Upload-Command", "query"},
			journal.Request{Headers: []string{"X-Goog-Upload-Command"}, Query: []string{"upload_id", "upload_protocol"}, Project: "alpha", Status: 200}},
	} {
		r := do(t, s, tc.method, tc.path, tc.body, tc.header...)
		assert.Equal(t, tc.want.Status, r.status, tc.name)
		log := s.RequestLog()
		tc.want.At, tc.want.Method, tc.want.Done = noon, tc.method, true
		tc.want.Path, _, _ = strings.Cut(tc.path, "?")
		assert.Equal(t, tc.want, log[len(log)-1], tc.name)
	}
	everything := fmt.Sprintf("%#v %+v %v", s.RequestLog(), s.RequestLog(), s)
	for _, secret := range []string{key1, key2, "caller-secret"} {
		assert.NotContains(t, everything, secret)
	}
}

func TestRequestLogIsBounded(t *testing.T) {
	for limit, want := range map[int]string{3: "[/2 /3 /4]", -1: "[]", 0: "[/0 /1 /2 /3 /4]"} {
		s, _ := newSim(Config{RequestLog: limit})
		for i := range 5 {
			do(t, s, "GET", fmt.Sprintf("/%d", i), "")
		}
		paths := []string{}
		for _, r := range s.RequestLog() {
			paths = append(paths, r.Path)
		}
		assert.Equal(t, want, fmt.Sprint(paths), limit)
	}
}

// TestCancelled: whenever a client hangs up, it is seen; a request under way is
// in the log and not done.
func TestCancelled(t *testing.T) {
	for name, method := range map[string]string{"thinking": "generateContent", "hanging": "generateContent", "between events": "streamGenerateContent"} {
		synctest.Test(t, func(t *testing.T) {
			s := bubbleSim(Config{Latency: time.Minute})
			if name == "hanging" {
				s.FailNext(1, faults.Hang)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan struct{})
			go func() {
				defer close(done)
				resp, err := s.Transport().RoundTrip(newRequest(ctx, t, method, strings.NewReader(prompt("stream 2 chunks of 100 bytes every 1h"))))
				if err == nil {
					_, err = io.ReadAll(resp.Body)
				}
				assert.ErrorIs(t, err, context.Canceled)
			}()
			time.Sleep(time.Second)
			if name == "between events" {
				time.Sleep(time.Hour)
			}
			synctest.Wait()
			require.False(t, s.RequestLog()[0].Done)
			require.Equal(t, credentials.Fingerprint(key1), s.RequestLog()[0].Key)
			require.Zero(t, s.Stats().Cancelled)
			cancel()
			<-done
			synctest.Wait()
			got := s.RequestLog()[0]
			assert.True(t, got.Done && got.Cancelled, name)
			assert.EqualValues(t, 1, s.Stats().Cancelled, name)
			assert.Equal(t, map[string]int{"between events": 200}[name], got.Status, name)
			assert.EqualValues(t, 1, s.Log()[0].Charged, name)
		})
	}
}

// TestHeadersOverSockets: hop-by-hop fields that a proxy fails to drop are seen.
func TestHeadersOverSockets(t *testing.T) {
	s := bubbleSim(Config{})
	server := httptest.NewServer(s)
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/v1beta/models", nil)
	require.NoError(t, err)
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Upgrade", "TE", "X-Fluxgate-Key", "X-Goog-Api-Key"} {
		req.Header.Set(name, key1)
	}
	req.Header.Set("User-Agent", "")
	resp, err := server.Client().Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, []string{"Accept-Encoding", "Connection", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Upgrade", "X-Fluxgate-Key", "X-Goog-Api-Key"},
		s.RequestLog()[0].Headers)
}
