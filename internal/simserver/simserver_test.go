package simserver_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/simserver"
)

func base(keys ...simserver.Key[string]) *simserver.Base[string, string] {
	return simserver.New[string, string](simserver.Config[string]{Keys: keys, Models: []string{"m"}})
}

// TestRequestsAreBounded: a long run keeps the latest requests alone.
func TestRequestsAreBounded(t *testing.T) {
	b := base()
	for range 2 * 4096 {
		r := httptest.NewRequest(http.MethodGet, "http://simulated.test/x", nil)
		b.End(b.Begin(httptest.NewRecorder(), r, r.Body))
	}
	assert.Len(t, b.Requests(), 4096)
}

// TestCredentialsStayOut: what a request carries is logged, but for its credentials.
func TestCredentialsStayOut(t *testing.T) {
	b := base()
	r := httptest.NewRequest(http.MethodPost, "http://simulated.test/x", strings.NewReader("body"))
	r.Header.Set("X-Api-Key", "secret")
	r.Header.Set("X-Other", "said")
	c := b.Begin(httptest.NewRecorder(), r, r.Body, "Authorization", "X-Api-Key")
	c.Write(http.StatusTeapot, map[string]int{"n": 1})
	b.End(c)
	require.Len(t, b.Requests(), 1)
	got := b.Requests()[0]
	assert.Equal(t, http.Header{"X-Other": {"said"}}, got.Header)
	assert.Equal(t, "body", string(got.Body))
	assert.Equal(t, http.StatusTeapot, got.Status)
	assert.Equal(t, "secret", r.Header.Get("X-Api-Key"), "the request itself still has them")
}

// TestKeys: keys that name no project have one each.
func TestKeys(t *testing.T) {
	b := base(simserver.Key[string]{Value: "one"}, simserver.Key[string]{Value: "sk-number-two"}, simserver.Key[string]{Value: "three", Project: "p"})
	for value, project := range map[string]string{"one": "org-one", "sk-number-two": "org-er-two", "three": "p"} {
		k, ok := b.Key(value)
		assert.True(t, ok)
		assert.Equal(t, project, k.Project)
	}
	_, ok := b.Key("four")
	assert.False(t, ok)
}

// TestFailures: so many requests fail, or all.
func TestFailures(t *testing.T) {
	b := base()
	fails := func() string { f, _ := b.NextFailure(); return f }
	assert.Empty(t, fails())
	b.FailNext(2, "x")
	assert.Equal(t, []string{"x", "x", ""}, []string{fails(), fails(), fails()})
	b.FailNext(-1, "y")
	assert.Equal(t, []string{"y", "y", "y"}, []string{fails(), fails(), fails()})
	b.FailNext(0, "z")
	assert.Empty(t, fails())
}

// TestOwned: what belongs to a project is found, changed, listed and deleted by it alone.
func TestOwned(t *testing.T) {
	var o simserver.Owned[int]
	all := func(project string) (list []int) {
		o.Each(project, func(n *int) { list = append(list, *n) })
		return list
	}
	assert.Empty(t, all("p"))
	o.Add("p", "a", 1)
	o.Add("q", "b", 2)
	o.Add("p", "c", 3)
	assert.Equal(t, []int{3, 1}, all("p"), "the newest first")
	_, ok := o.Get("q", "a")
	assert.False(t, ok)
	_, ok = o.Change("q", "a", func(n *int) { *n = 0 })
	assert.False(t, ok)
	n, ok := o.Change("p", "a", func(n *int) { *n = 7 })
	assert.True(t, ok)
	assert.Equal(t, 7, n)
	assert.False(t, o.Delete("q", "a"))
	assert.True(t, o.Delete("p", "a"))
	assert.False(t, o.Delete("p", "a"))
	assert.Equal(t, []int{3}, all("p"))
	assert.Equal(t, []int{2}, all("q"))
}

// TestPieces: a text comes in parts of whole tokens, 64 at most, and no character is cut.
func TestPieces(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("four", 3), strings.Repeat("x", 4096), strings.Repeat("…", 1000)} {
		pieces := simserver.Pieces(text)
		assert.Equal(t, text, strings.Join(pieces, ""))
		assert.LessOrEqual(t, len(pieces), 64)
		for _, p := range pieces {
			assert.True(t, strings.ToValidUTF8(p, "?") == p, p)
		}
	}
	assert.Equal(t, []string{"fourfour", "four"}, simserver.Pieces(strings.Repeat("four", 3)))
}

// TestTools: tools of either format have their names read, and count as they were sent.
func TestTools(t *testing.T) {
	var tools simserver.Tools
	text := `[{"name":"a"}, {"type":"function","function":{"name":"b"}}]`
	require.NoError(t, json.Unmarshal([]byte(text), &tools))
	assert.Equal(t, simserver.Tools{Text: text, Names: []string{"a", "b"}}, tools)
	assert.Error(t, json.Unmarshal([]byte(`"none"`), &tools))
}
