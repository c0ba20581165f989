package payload

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// An error that ends an answer is found however it comes, and what a model says of
// errors is none.
func TestLastError(t *testing.T) {
	const (
		said  = `{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}`
		event = "data: " + said + "\r\n\r\n"
		fault = `{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"error":"x"},{"@type":"y"}]}}`
	)
	for text, want := range map[string]bool{
		event + "data: " + fault + "\r\n\r\n":             true,
		event + "event: error\ndata:" + fault:             true,
		event + "data: " + fault + "\n\ndata: [DONE]\n\n": true,
		event + "data: " + fault + "\n\ndata:[DONE]\n\n":  true,
		event + fault: true, // bare, after events
		event + "{\n  \"error\": {\n    \"code\": 503\n  }\n}\n":       true,
		event + "[" + fault + "]":                                      true,
		event + "[{\n  \"error\": {\n    \"code\": 503\n  }\n}\n]\r\n": true,
		"[" + said + "\r\n,\r\n" + fault + "\r\n]":                     true, // a stream without events
		"[" + said + "," + fault:                                       true, // which broke off behind it
		"[" + said + "]\n[" + fault + "]":                              true,

		event:                 false,
		"[" + said + "]":      false,
		event + `{"error":`:   false, // nobody knows what
		event + fault + event: false, // it went on
		`data: {"candidates":[{"content":{"parts":[{"functionCall":{"args":[{"error":1}]}}]}}]}` + "\n\n": false,
		`{"candidates":[{"content":{"parts":[{"text":"data: {\"error\":{}}"}]}}]}`:                        false,
		`{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"error":{"code":1}}}}]}}]}`:         false,
		`{"a":1,"error":{"code":429}}`: false,
	} {
		assert.Equal(t, want, LastError([]byte(text)) != nil, text)
	}
}

// An answer is silent if it holds neither a candidate nor the reason why there is
// none, in whatever format.
func TestSilent(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "\r\n": true, "{}": true, "[]": true, "[\n]": true, `{"candidates":[]}`: true, `{"candidates": [ { } ]}`: true,
		`{"usageMetadata":{"promptTokenCount":4},"modelVersion":"x"}`: true, `{"promptFeedback":{"safetyRatings":[]}}`: true,
		"data: {\"usageMetadata\":{}}\n\n": true, "data: [DONE]\n\n": true, ": ping\n\n": true, `{"id":"x","choices":[]}`: true,

		`{"candidates":[{"finishReason":"STOP"}]}`: false, `{"candidates":[{"content":{}}]}`: false,
		`{"usageMetadata":{},"candidates":[{"index":0}]}`: false, `{"promptFeedback":{"blockReason":"SAFETY"}}`: false,
		"data: {\"candidates\": [{\"content\"": false, `{"choices":[{"index":0}]}`: false, `[{"candidates":[{"content":1}]}]`: false,
		"hello": false, "<html></html>": false, "\x12\x03abc": false,
	} {
		assert.Equal(t, want, Silent([]byte(text)), "%q", text)
	}
	for text, want := range map[string]bool{
		"": true, "{}": true, "[{}]\n": true, "data: {}\n\ndata: [DONE]\n\n": true, ": ping\n\n": true,
		"{": false, "[{}": false, "data: {}\n\ndata: {": false, "hello": false,
	} {
		assert.Equal(t, want, Whole([]byte(text)), "%q", text)
	}
	assert.True(t, Produced([]byte(`{"usageMetadata":{"promptTokenCount":4,"thoughtsTokenCount": 7}}`)))
	assert.False(t, Produced([]byte(`{"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":0}}`)))
}
