package others

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What is no model or list of models passes as it is, and breaks nothing off.
func TestInOpenAIFormat(t *testing.T) {
	for text, want := range map[string]string{
		`{"id":"a","created_at":"1970-01-01T00:00:07Z"}`: `{"id":"a","created_at":"1970-01-01T00:00:07Z","object":"model","owned_by":"p","created":7}`,
		`{"data":[{"id":"a"}],"has_more":false}`:         `{"data":[{"id":"a","object":"model","owned_by":"p","created":0}],"has_more":false,"object":"list"}`,
		`{"data":[]}`:                                    `{"data":[],"object":"list"}`,
		`{"data":[null,{"id":"a"}]}`:                     `{"data":[null,{"id":"a"}]}`,
		`{"data":7}`:                                     `{"data":7}`,
		`null`:                                           `null`,
		`[]`:                                             `[]`,
	} {
		assert.JSONEq(t, want, string(inOpenAIFormat([]byte(text), "p")), text)
	}
}
