package upstream

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

const quoted = "what nobody else may read"

// What stands in a log of a provider's words are those that are known, from the beginning on.
func TestLogHoldsKnownWordsOnly(t *testing.T) {
	const quota = "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. "
	for _, c := range []struct{ message, log string }{
		{"Resource has been exhausted (e.g. check quota).", "Resource has been exhausted (e.g. check quota)."},
		{quota + "\n* Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 500, model: gemini-3.5-flash-lite\nPlease retry in 21.497994s.", ""},
		{quota + quoted, "You exceeded your current quota, please check your plan and billing details. (and 121 bytes in words that aren't known, which may quote the request)"},
		{"model: " + quoted, "32 bytes in words that aren't known, which may quote the request"},
		{"Not allowed: " + quoted, "38 bytes in words that aren't known, which may quote the request"},
		{quoted + ": " + quota, "200 bytes in words that aren't known, which may quote the request"},
		{"* Quota exceeded for metric: confidential, limit: 5", "51 bytes in words that aren't known, which may quote the request"},
		{"To monitor your current usage, head to: https://confidential", "60 bytes in words that aren't known, which may quote the request"},
		{"Permission denied: Consumer 'confidential' has been suspended.", "62 bytes in words that aren't known, which may quote the request"},
		{"model: confidential", "19 bytes in words that aren't known, which may quote the request"},
		{"models/confidential is not found for API version v1beta, or is not supported for generateContent.", "97 bytes in words that aren't known, which may quote the request"},
		{"models/confidential/gemini-2.5-pro is not found for API version v1beta, or is not supported for generateContent.", "112 bytes in words that aren't known, which may quote the request"},
		{"models/gemini-2.5-pro is not found for API version v1beta, or is not supported for generateContent.", ""},
		{"The model `meta-llama/Llama-3.3-70B-Instruct-Turbo` does not exist", ""},
		{"Permission denied: Consumer 'project_number:confidential' has been suspended.", "77 bytes in words that aren't known, which may quote the request"},
		{"Incorrect API key provided: confidential", "40 bytes in words that aren't known, which may quote the request"},
		{"model: <confidential>", "21 bytes in words that aren't known, which may quote the request"},
		{"model: " + strings.Repeat("x", 200), "207 bytes in words that aren't known, which may quote the request"},
		{"The caller does not have permission", "The caller does not have permission"},
		{"The caller does not have permissions, " + quoted, "63 bytes in words that aren't known, which may quote the request"},
		{http.StatusText(http.StatusTooManyRequests), "Too Many Requests"},
	} {
		if c.log == "" {
			c.log = c.message
		}
		e := &Error{Class: ClassBare429, HTTPStatus: 429, Message: c.message}
		assert.Equal(t, "gemini: bare_429, HTTP 429: "+c.log, e.Error())
	}
}

// What a connection received that broke is in no log either.
func TestLogHoldsNothingReceived(t *testing.T) {
	for text, log := range map[string]string{
		`malformed HTTP response "` + quoted + `\n"`:                                                      "malformed HTTP response …",
		"net/http: HTTP/1.x transport connection broken: malformed MIME header line: " + quoted:           "net/http: HTTP/1.x transport connection broken: malformed MIME header line…",
		`net/http: HTTP/1.x transport connection broken: unsupported transfer encoding: "` + quoted + `"`: "net/http: HTTP/1.x transport connection broken: unsupported transfer encoding…",
		"dial tcp 127.0.0.1:1: connect: connection refused":                                               "dial tcp 127.0.0.1:1: connect: connection refused",
		"read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer":                               "read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer",
		"dial tcp: lookup gemini.example on 1.1.1.1:53: no such host":                                     "dial tcp: lookup gemini.example on 1.1.1.1:53: no such host",
	} {
		e := TransportError(t.Context(), errors.New(text))
		assert.Equal(t, "gemini: server (CONNECTION): "+log, e.Error())
		assert.Equal(t, text, e.Message, "the caller is told")
	}
}

// To others is told what consists of known words, in the message and in whatever else the body has.
func TestOthersAreToldKnownWordsOnly(t *testing.T) {
	const bare = "Resource has been exhausted (e.g. check quota)."
	for _, c := range []struct {
		message, details string
		told             bool
	}{
		{bare, ``, true},
		{bare, `{"@type":"type.googleapis.com/google.rpc.Help","links":[{"description":"Learn more about Gemini API quotas","url":"https://ai.google.dev/gemini-api/docs/rate-limits"}]}`, true},
		{bare, `{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"2s"}`, true},
		{bare, `{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"x","description":"` + quoted + `"}]}`, false},
		{bare, `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","metadata":{"` + quoted + `":"x"}}`, false},
		{bare, `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","metadata":{"prompt":"confidential"}}`, false},
		{bare, `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED","domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com","consumer":"projects/123"}}`, true},
		{bare, `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"confidential"}`, false},
		{bare, `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"confidential"}`, false},
		{bare, `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","metadata":{"service":"confidential"}}`, false},
		{bare, `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","metadata":{"consumer":"projects/confidential"}}`, false},
		{bare, `{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_requests","quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier","quotaDimensions":{"location":"global","model":"gemini-2.5-pro"},"quotaValue":"50"}]}`, true},
		{bare, `{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaDimensions":{"model":"confidential"}}]}`, false},
		{bare, `{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaValue":"confidential"}]}`, false},
		{bare, `{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":["confidential"]}`, false},
		{bare, `{"@type":"confidential"}`, false},
		{bare + " " + quoted, ``, false},
		{quoted, ``, false},
	} {
		e := &Error{Class: ClassBare429, HTTPStatus: 429, Message: c.message, Header: http.Header{"Retry-After": {"2"}},
			Body: []byte(`{"error":{"code":429,"message":"` + c.message + `","details":[` + c.details + `]}}`)}
		other := e.ForOthers()
		assert.Nil(t, other.Header)
		if c.told {
			assert.Equal(t, c.message, other.Message)
			assert.Equal(t, e.Body, other.Body)
			continue
		}
		assert.Equal(t, "Gemini refused an earlier request like this with HTTP 429. What it said isn't repeated: it may quote that request.", other.Message)
		assert.Nil(t, other.Body)
		assert.Contains(t, other.Error(), other.Message, "which is known itself")
		assert.Equal(t, other, other.ForOthers())
	}
}
