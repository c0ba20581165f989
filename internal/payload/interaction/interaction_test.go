package interaction

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/payload"
)

func TestRead(t *testing.T) {
	for body, want := range map[string]Request{
		`{"model":"models/gemini-2.5-flash","input":"hi"}`:                        {Model: "gemini-2.5-flash", Store: true},
		`{"agent":"deep-research-pro","background":true}`:                         {Agent: "deep-research-pro", Store: true},
		`{"model":"auto","stream":true,"store":false}`:                            {Model: "auto", Stream: true},
		`{"model":"m","previous_interaction_id":"v1_a-B"}`:                        {Model: "m", Store: true, Previous: []string{"interactions/v1_a-B"}},
		`{"model":"m","previousInteractionId":"a","PREVIOUS_interaction_id":"b"}`: {Model: "m", Store: true, Previous: []string{"interactions/a", "interactions/b"}},
		`{"model":"m","previous_interaction_id":"a","previousInteractionId":"a"}`: {Model: "m", Store: true, Previous: []string{"interactions/a"}},
		`{"model":"flash","Model":"models/pro"}`:                                  {Model: "pro", Store: true},
		`{"agent":"a","Agent":"a"}`:                                               {Agent: "a", Store: true},
		`{"model":"m","previous_interaction_id":null,"store":null}`:               {Model: "m", Store: true},
	} {
		in, err := Read([]byte(body))
		require.NoError(t, err, body)
		assert.Equal(t, want, *in, body)
	}
	for body, field := range map[string]string{
		`{}`: "model", `{"model":7}`: "model", `{"model":"a b"}`: "model", `{"agent":"../x"}`: "model", `{"model":"m","agent":"a"}`: "agent",
		`{"model":"m","Agent":"a"}`: "agent", `{"agent":"a","agent":"b"}`: "agent", `{"agent":"a","AGENT":"b"}`: "agent",
		`{"model":"m","stream":1}`: "stream", `{"model":"m","previous_interaction_id":"../files/x"}`: "previous_interaction_id",
		`{"model":"m","previous_interaction_id":"a","previous_interaction_id":"b","previousInteractionId":"c","previousInteractionID":"d","Previous_Interaction_Id":"e"}`: "Previous_Interaction_Id",
	} {
		_, err := Read([]byte(body))
		var wrong *payload.FieldError
		require.ErrorAs(t, err, &wrong, body)
		assert.Equal(t, field, wrong.Field, body)
	}
}
