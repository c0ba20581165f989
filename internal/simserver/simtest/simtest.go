package simtest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Server is a simulated one.
type Server interface{ Transport() http.RoundTripper }

// A Reply is an answer that has been read.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// At returns a member of a JSON answer, by its path; of a list it has the first.
func (r Reply) At(t testing.TB, path string) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(r.Body), &v), r.Body)
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			require.NotEmpty(t, x, path)
			v = x[0]
		default:
			require.Failf(t, "no such member", "%s of %s", path, r.Body)
		}
	}
	return v
}

// Request returns a request with headers, whose names and values come by turns.
func Request(t testing.TB, method, url, body string, headers ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

// Do sends a request, and reads its answer.
func Do(t testing.TB, server Server, req *http.Request) Reply {
	t.Helper()
	resp, err := server.Transport().RoundTrip(req)
	require.NoError(t, err)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return Reply{resp.StatusCode, resp.Header, string(raw)}
}

// Form makes a form of fields, whose names and values come by turns, and returns its type too. A
// name with @ before it is that of a file, and that of the file itself is given once for all.
func Form(t testing.TB, file string, fields ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		name, isFile := strings.CutPrefix(fields[i], "@")
		create := form.CreateFormField
		if isFile {
			create = func(name string) (io.Writer, error) { return form.CreateFormFile(name, file) }
		}
		part, err := create(name)
		require.NoError(t, err)
		_, err = io.WriteString(part, fields[i+1])
		require.NoError(t, err)
	}
	require.NoError(t, form.Close())
	return b.String(), form.FormDataContentType()
}
