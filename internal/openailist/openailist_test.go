package openailist

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPart(t *testing.T) {
	ids := []string{"a", "b", "c", "d", "e"}
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"", ids},
		{"after=b", ids[2:]},
		{"after_id=b", ids[2:]},
		{"page=page_b", ids[2:]},
		{"after=e", nil},
		{"after=x", nil},
		{"before_id=d&limit=2", ids[1:3]},
		{"before_id=b&limit=2", ids[:1]},
		{"before_id=a", nil},
		{"before_id=x", nil},
	} {
		query, err := url.ParseQuery(c.query)
		require.NoError(t, err)
		asked, err := Read(query)
		require.NoError(t, err)
		from, to := asked.Part(ids)
		assert.Equal(t, append([]string{}, c.want...), append([]string{}, ids[from:to]...), c.query)
	}
	for _, limit := range []string{"0", "-1", "x"} {
		_, err := Read(url.Values{"limit": {limit}})
		assert.Error(t, err, limit)
	}
}

// The newest is first, however a provider says when something was made.
func TestNewest(t *testing.T) {
	entries := []json.RawMessage{
		json.RawMessage(`{"id":"a","created_at":"2026-11-01T10:00:00Z"}`), json.RawMessage(`{"id":"b"}`),
		json.RawMessage(`{"id":"c","created_at":"2026-11-02T10:00:00.5+01:00"}`), json.RawMessage(`{"id":"d","created_at":1800000000}`),
	}
	Newest(entries)
	assert.Equal(t, []string{"d", "c", "a", "b"}, IDs(entries))
	page := PageOf(entries, 2)
	text, err := json.Marshal(page.Anthropic())
	require.NoError(t, err)
	assert.JSONEq(t, `{"data":[{"id":"d","created_at":1800000000},{"id":"c","created_at":"2026-11-02T10:00:00.5+01:00"}],
		"first_id":"d","last_id":"c","has_more":true,"next_page":"page_c"}`, string(text))
}

// What is no model or list of models passes as it is, and breaks nothing off.
func TestOfModels(t *testing.T) {
	for text, want := range map[string]string{
		`{"id":"a","created_at":"1970-01-01T00:00:07Z"}`: `{"id":"a","created_at":"1970-01-01T00:00:07Z","object":"model","owned_by":"p","created":7}`,
		`{"data":[{"id":"a"}],"has_more":false}`:         `{"data":[{"id":"a","object":"model","owned_by":"p","created":0}],"has_more":false,"object":"list"}`,
		`{"data":[]}`:                                    `{"data":[],"object":"list"}`,
		`{"data":[null,{"id":"a"}]}`:                     `{"data":[null,{"id":"a"}]}`,
		`{"data":7}`:                                     `{"data":7}`,
		`null`:                                           `null`,
		`[]`:                                             `[]`,
	} {
		assert.JSONEq(t, want, string(OfModels([]byte(text), "p")), text)
	}
}
