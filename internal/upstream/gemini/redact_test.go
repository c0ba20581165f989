package gemini

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/upstream"
)

// printed is everything that any verb, logger or caller could show of an error.
func printed(e *upstream.Error) string {
	var b strings.Builder
	for err := error(e); err != nil; err = errors.Unwrap(err) {
		fmt.Fprintf(&b, "%v\n%+v\n%#v\n%s\n%q\n", err, err, err, err, err)
	}
	fmt.Fprintf(&b, "%+v\n%#v\n%v\n", *e, *e, e.Violations)
	fmt.Fprintf(&b, "%s\n%s\n%s\n%s\n", e.Message, e.Body, e.Status, e.Reason)
	var decoded any
	if json.Unmarshal(e.Body, &decoded) == nil {
		fmt.Fprintf(&b, "%v\n", decoded) // a key behind \u escapes would show here
	}
	return b.String()
}

func assertNoKey(t testing.TB, e *upstream.Error) {
	t.Helper()
	assertAbsent(t, printed(e), testKey)
}

func assertAbsent(t testing.TB, text, key string) {
	t.Helper()
	for _, form := range []string{key, url.QueryEscape(key), url.PathEscape(key)} {
		if strings.Contains(text, form) {
			t.Errorf("%q shows the key", text)
		}
	}
}

func TestRedactor(t *testing.T) {
	tests := []struct{ name, key, in, want string }{
		{"anywhere", testKey, "a " + testKey + " b " + testKey, "a [redacted] b [redacted]"},
		{"in a URL", testKey, "GET /v1?key=" + url.QueryEscape(testKey) + "&alt=sse", "GET /v1?key=[redacted]&alt=sse"},
		{"as a consumer", testKey, "Consumer 'api_key:" + testKey + "' has", "Consumer 'api_key:[redacted]' has"},
		{"another key as a consumer", testKey, "Consumer 'api_key:other-one' has", "Consumer 'api_key:[redacted]' has"},
		{"another old key", testKey, "AIzaSyA0123456789012345678901234567890-_, or", "[redacted], or"},
		{"another new key", testKey, "(AQ.Ab8RN6Jx_12345678)", "([redacted])"},
		{"another key in a URL", testKey, "/x?alt=json&key=abc", "/x?alt=json&key=[redacted]"},
		{"ordinary text stays", testKey, "FAQ.is a page; api_keys: none; limit: 10", "FAQ.is a page; api_keys: none; limit: 10"},
		{"no key known", "", "plain", "plain"},
		{"too short to be a key", "a", "banana", "banana"},
		{"the replacement would complete the key", "xx[r", "xxxx[r", "[redacted]"},
		{"the replacement holds the key", "redacted", "my redacted key", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, upstream.NewRedactor(tt.key).Text(tt.in))
		})
	}
}

func TestRedactJSON(t *testing.T) {
	r := upstream.NewRedactor("secret-key-1")
	assert.JSONEq(t, `{"[redacted]":["x [redacted]",{"a":1}]}`, string(r.JSON([]byte(`{"secret-key-1":["x s\u0065cret-key-1",{"a":1}]}`))),
		"names as well as values, and behind escapes")
	assert.JSONEq(t, `"\\\"[redacted]"`, string(r.JSON([]byte(`"\\\"secret-key-1"`))), "escaped quotes don't end a string")
	assert.Nil(t, upstream.NewRedactor("12345678").JSON([]byte(`{"n":12345678}`)), "outside of strings nothing can be replaced")
}

// FuzzClassify feeds arbitrary answers, with a key planted in every form in which one could come back.
func FuzzClassify(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(f, err)
		status, err := strconv.Atoi(filepath.Base(file)[:3])
		require.NoError(f, err)
		f.Add(status, raw, "seed")
	}
	f.Add(429, []byte(`{"error":{"message":"KEY UKEY QKEY","code":429,"status":"KEY","details":[{"KEY":"UKEY"}]}}`), "x")
	f.Add(200, []byte(`[{"error":"KEY"}]`), "y")
	f.Add(500, []byte("KEY QKEY at the \xff gateway"), "z")
	f.Add(429, []byte(`{"error":{"details":[{"@type":"google.rpc.QuotaFailure","violations":[{"quotaId":"KEY","quotaMetric":"KEY","quotaDimensions":{"model":"KEY"}}]}]}}`), "v")
	f.Fuzz(func(t *testing.T, status int, raw []byte, seed string) {
		sum := sha256.Sum256([]byte(seed))
		key := "AQ.k/" + hex.EncodeToString(sum[:12]) + "+&" + hex.EncodeToString(sum[12:20])
		var escaped strings.Builder
		for _, b := range []byte(key) {
			fmt.Fprintf(&escaped, `\u%04x`, b)
		}
		raw = []byte(strings.NewReplacer("UKEY", escaped.String(), "QKEY", url.QueryEscape(key), "KEY", key).Replace(string(raw)))

		e := classify(status, raw, key)
		assertAbsent(t, printed(e), key)
		require.NotEqual(t, "unknown", e.Class.String())
		require.GreaterOrEqual(t, e.HTTPStatus, 400, "nothing may be passed on as a success")
		require.GreaterOrEqual(t, int64(e.RetryDelay), int64(0))
		require.LessOrEqual(t, e.RetryDelay, maxRetryDelay)
		require.LessOrEqual(t, len(e.Violations), maxViolations)
		require.True(t, e.Body == nil || json.Valid(e.Body))
		require.Equal(t, e, classify(status, raw, key), "pure")
	})
}
