package answers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A name is found wherever an answer is cut into pieces, and nothing else is taken for it.
func TestFinder(t *testing.T) {
	ids := []string{"id", "interaction_id", "interaction.id"}
	videos := []string{"response.generateVideoResponse.generatedSamples.video.uri"}
	for text, tt := range map[string]struct{ members, want []string }{
		`{"id":"v1_abc","status":"completed"}`: {ids, []string{"v1_abc"}},
		`{"steps":[{"id":"call_1","content":[{"id":"x"}]}],"usage":{"id":"y"},"text":"\"id\":\"z\"","id":"v1_a"}`:                 {ids, []string{"v1_a"}},
		"event: interaction.created\ndata: {\"interaction\":{\"object\":\"interaction\",\"id\":\"v1_b\"},\"event_id\":\"1\"}\n\n": {ids, []string{"v1_b"}},
		`data: {"interaction_id":"v1_c","status":"in_progress"}`:                                                                  {ids, []string{"v1_c"}},
		`{"id":7,"name":"id"}`: {ids, nil}, `{"step":{"id":"x"}}`: {ids, nil}, `["id","x"]`: {ids, nil}, `{"a":["id","b"]}`: {ids, nil},
		`{"id":"` + strings.Repeat("a", 2000) + `"}`: {ids, nil}, `]}{"id":"v1_d"}`: {ids, []string{"v1_d"}},
		`{"id":"a\u002fb"}`: {ids, []string{"a/b"}},
		`{"name":"x","response":{"generateVideoResponse":{"generatedSamples":[{"video":{"uri":"u1","other":{"uri":"no"}}},{"video":{"uri":"u2"}}],"uri":"no"}}}`: {videos, []string{"u1", "u2"}},
		`{"response":{"inlinedResponses":{"inlinedResponses":[{"response":{"responsesFile":"files/no"}}]},"responsesFile":"files/yes"}}`:                         {[]string{"response.responsesFile"}, []string{"files/yes"}},
	} {
		for size := 1; size <= len(text); size++ {
			f := NewFinder(tt.members)
			var got []string
			for at := 0; at < len(text); at += size {
				for _, found := range f.Find([]byte(text[at:min(at+size, len(text))])) {
					assert.Contains(t, tt.members, found.Member)
					got = append(got, found.Text)
				}
			}
			assert.Equal(t, tt.want, got, "%s in pieces of %d", text, size)
		}
	}
}
