package completion

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRead(t *testing.T) {
	for body, want := range map[string]Request{
		`{}`: {},
		`{"model":"gpt-5","messages":[{"role":"user","content":"\"stream\":true"}]}`: {Model: "gpt-5"},
		`{"model":"claude-sonnet-4-5","max_tokens":1024,"stream":true}`:              {Model: "claude-sonnet-4-5", MaxTokens: 1024, Stream: true},
		`{"model":"a","model":"b"}`:                                        {Model: "b"},
		`{"model":7,"max_tokens":"x","stream":"true"}`:                     {},
		`{"model":null}`:                                                   {},
		`{` + strings.Repeat(`"model":"a",`, maxModels) + `"model":"b"}`:   {},
		`{"speed":"standard","speed":"fast"}`:                              {Fast: true},
		`{"sp\u0065ed":"fa\u0073t"}`:                                       {Fast: true},
		`{"speed":"fast","speed":["fast"]}`:                                {},
		`{"max_completion_tokens":10,"n":3}`:                               {MaxTokens: 30},
		`{"max_tokens":10,"prompt":"a","n":2,"best_of":5}`:                 {MaxTokens: 50},
		`{"max_tokens":10,"prompt":["a","b"],"n":3}`:                       {MaxTokens: 60},
		`{"max_tokens":10,"prompt":[1,2,3],"best_of":2}`:                   {MaxTokens: 20},
		`{"max_tokens":10,"prompt":[[1,2],[3]],"best_of":9999}`:            {MaxTokens: 10 * 2 * maxN},
		`{"max_tokens":10,"prompt":[]}`:                                    {MaxTokens: 10},
		`{"max_output_tokens":10,"prompt":{"id":"pmpt_1"}}`:                {MaxTokens: 10},
		`{"previous_response_id":null}`:                                    {},
		`{"previous_response_id":"resp_1"}`:                                {GoesOn: []string{"responses/resp_1"}},
		`{"conversation":"conv_1","store":true}`:                           {GoesOn: []string{"conversations/conv_1"}, Keeps: true},
		`{"conversation":{"id":"conv_1"}}`:                                 {GoesOn: []string{"conversations/conv_1"}},
		`{"previous\u005fresponse_id":"a","previous_response_id":"b"}`:     {GoesOn: []string{"responses/a", "responses/b"}},
		`{"previous_response_id":"","conversation":{"id":"conv_1","x":2}}`: {GoesOn: []string{"conversations/conv_1"}, Stored: true},
		`{"max_output_tokens":-4}`:                                         {},
		`{"max_tokens":9999999999999,"n":9999}`:                            {MaxTokens: maxTokens * maxN},
		`{"max_tokens":9999999999999,"n":9999,"prompt":["a","b"]}`:         {MaxTokens: maxTokens * maxN},
	} {
		want.Stored, want.Named = true, strings.Contains(body, `"model":`) && !strings.Contains(body, `"model":null`)
		assert.Equal(t, want, Read([]byte(body)), body)
	}
	assert.False(t, Read([]byte(`{"store":false}`)).Stored)

	// Whichever counts upstream, none passes that isn't looked at.
	many := strings.Repeat(`"previous_response_id":"mine",`, maxGoesOn)
	for body, unclear := range map[string]bool{
		`{` + many + `"a":1}`: false, `{` + many + `"previous_response_id":"hers"}`: true, `{` + many + `"Conversation":{"ID":"hers"}}`: true,
		`{"previous_response_id":"hers` + strings.Repeat(`\u0031`, 100) + `"}`: true,
		// What is no text is read by some all the same.
		`{"previous_response_id":["hers"]}`: true, `{"previous_response_id":[["hers"]]}`: true, `{"previous_response_id":{"id":"hers"}}`: true,
		`{"conversation":["hers"]}`: true, `{"conversation":{"id":["hers"]}}`: true, `{"conversation":{"id":{"id":"hers"}}}`: true,
		`{"previous_response_id":7,"conversation":{"x":"y"}}`: false,
	} {
		assert.Equal(t, unclear, Read([]byte(body)).Unclear, body)
	}
	assert.Equal(t, []string{"responses/hers"}, Read([]byte(`{"Previous_Response_ID":"hers"}`)).GoesOn)
}
