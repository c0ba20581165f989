package gemini

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What is read of an answer is what encoding/json reads: escapes, what isn't UTF-8, thoughts
// among the parts, and null wherever it may stand.
func TestReplyIsReadAsJSON(t *testing.T) {
	type wire struct {
		Candidates []*struct {
			Content *struct {
				Parts []struct {
					Text    string
					Thought bool
				}
			}
			FinishReason string
		}
		PromptFeedback *struct{ BlockReason string }
		UsageMetadata  struct{ PromptTokenCount, CandidatesTokenCount, ThoughtsTokenCount, CachedContentTokenCount, ToolUsePromptTokenCount, TotalTokenCount int64 }
		ModelVersion   string
	}
	for _, text := range []string{
		` { "candidates" : [ {"content" : {"parts" : [ {"text":"a\n\u00e9\ud83d\ude00\ud83d \"\\\/"} , {"thought":true,"text":"b"}, {"text":"c","thought":false} ], "role":"model"}, "finishReason" : "STOP" }, {"content":{"parts":[{"text":"x"}]}} ] } `,
		"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\xff\xc3\"}]}}]}",
		`{"candidates":[{"content":{"parts":[{"text":null,"thought":null},null,{"inlineData":{"data":"AA==","text":"y"}},{"text":""}]},"finishReason":null}],"usageMetadata":null,"promptFeedback":null,"modelVersion":null}`,
		`{"candidates":[{"content":{"parts":null},"finishReason":"MAX_TOKENS"}],"modelVersion":"gemini-2.5-pro"}`,
		`{"candidates":null,"promptFeedback":{"safetyRatings":[{"text":"x"}],"blockReason":"SAFETY"}}`,
		`{"\u0063andidates":[{"finishReason":"SAFETY"}],"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":8,"thoughtsTokenCount":3,"cachedContentTokenCount":4,"toolUsePromptTokenCount":5,"totalTokenCount":28,"promptTokensDetails":[{"modality":"TEXT","tokenCount":12}]}}`,
		`{"candidates":[{"content":{"parts":[{"text":1}]}}]}`, `{"candidates":[{"content":{"parts":[{"thought":"yes"}]}}]}`, `{"candidates":[{"content":[]}]}`,
		`{"candidates":[7]}`, `{"candidates":[{"finishReason":7}]}`, `{"promptFeedback":"SAFETY"}`, `{"modelVersion":{}}`, `{"usageMetadata":[]}`,
		`{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":"12"}}`, `{"candidates":[{"finishReason":"STOP"}]}}`, `[]`, `"candidates"`, ``, `{"candidates":[{"finishReason":"STOP"}],}`,
	} {
		var want wire
		err := json.Unmarshal([]byte(text), &want)
		got, ok := readReply([]byte(text))
		if !assert.Equal(t, err == nil, ok, text) || !ok {
			continue
		}
		var says string
		if len(want.Candidates) > 0 {
			assert.Equal(t, want.Candidates[0].FinishReason, got.FinishReason, text)
			if content := want.Candidates[0].Content; content != nil {
				for _, part := range content.Parts {
					if !part.Thought {
						says += part.Text
					}
				}
			}
		}
		assert.Equal(t, says, got.Text, text)
		if want.PromptFeedback != nil {
			assert.Equal(t, want.PromptFeedback.BlockReason, got.BlockReason, text)
		}
		assert.Equal(t, want.ModelVersion, got.ModelVersion, text)
		u := want.UsageMetadata
		assert.Equal(t, []int64{u.PromptTokenCount, u.CandidatesTokenCount, u.ThoughtsTokenCount, u.CachedContentTokenCount, u.ToolUsePromptTokenCount, u.TotalTokenCount},
			[]int64{got.PromptTokens, got.Output, got.Thoughts, got.Cached, got.Tools, got.TotalTokens}, text)
	}
}
