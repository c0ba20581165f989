package completion

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestUses(t *testing.T) {
	for body, want := range map[string][]string{
		`{}`: nil,
		`{"model":"auto","messages":[{"role":"user","content":"\"n\":2 logprobs"}],"temperature":0.1,"seed":1,"user":"u"}`:                          nil,
		`{"n":1,"logprobs":false,"top_logprobs":0,"logit_bias":{},"frequency_penalty":0,"presence_penalty":0.0,"response_format":null,"stop":null}`: nil,
		`{"max_tokens":5,"max_completion_tokens":null,"store":null}`:                                                                                nil, `{"max_completion_tokens":5,"store":false}`: {MaxCompletion, Store},
		`{"stop":""}`: nil, `{"stop":[]}`: nil, `{"stop":"END"}`: {Stop}, `{"stop":["END"]}`: {Stop},
		`{"response_format":{"type":"text"},"audio":null,"extra_body":{ },"tools":[{"type":"function","function":{"name":"f"}}]}`:              nil,
		`{"n":2,"logprobs":true,"top_logprobs":3,"logit_bias":{"50256":-100},"frequency_penalty":0.5,"presence_penalty":-1}`:                   {Several, Logprobs, TopLogprobs, LogitBias, FrequencyPenalty, PresencePenalty},
		`{"response_format":{"type":"json_schema","json_schema":{}},"audio":{"voice":"alloy"},"extra_body":{"google":{}}}`:                     {ResponseFormat, Audio, ExtraBody},
		`{"tools":[{"type":"function","function":{"name":"f","strict":false}},{"type":"function","function":{"name":"g","strict":true}}]}`:     {StrictTools},
		`{"messages":[{"role":"user","name":"Ann","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]}]}`:      {MessageName, InputImage},
		`{"messages":[{"role":"user","content":[{"type":"input_audio"},{"type":"file"},{"type":"file"}]},{"role":"user","content":[7,null]}]}`: {InputAudio, InputFile},
		`{"messages":"no list","tools":7,"n":"two","response_format":"text"}`:                                                                  nil,
	} {
		assert.Equal(t, want, Uses([]byte(body)), body)
	}
}
