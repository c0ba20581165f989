package payload

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sent returns the base64 that goes upstream of what is in a JSON string.
func sent(text []byte) (string, error) {
	m, err := standardBase64(text)
	if err != nil {
		return "", err
	}
	var r Rope
	r.AddMedia(m)
	return string(flat(&r)), nil
}

// What is standard base64 already is sent as it is; everything else is put into that
// form, as a strict decoder wants it. Some write slashes and other characters as escapes.
func TestStandardBase64(t *testing.T) {
	for text, want := range map[string]string{
		"QUJD": "QUJD", "QUI=": "QUI=", "QQ==": "QQ==",
		"QUI": "QUI=", "QQ": "QQ==", " QUJD\n": "QUJD", "QUI====": "QUI=",
		"-_-_": "+/+/", "QU\r\nJD": "QUJD",
		// The bits that mean nothing are cleared.
		"QR==": "QQ==", "QR": "QQ==", "QUJ=": "QUI=", "QUL": "QUI=",
		`\/\u002b_-`: "/+/+", `QUJD\nQUJD\r\n`: "QUJDQUJD", `QQ\u003d\u003d`: "QQ==", `QUI\u003d`: "QUI=", `\u0051R`: "QQ==",
	} {
		got, err := sent([]byte(text))
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
		_, err = base64.StdEncoding.Strict().DecodeString(got)
		assert.NoError(t, err, text)
	}
	for _, bad := range []string{"", "=", "Q", "QUJDQ", "Q%==", "QU JD", "QU=JD", "é", `QU\u00e9J`, `QU\`} {
		_, err := standardBase64([]byte(bad))
		assert.Error(t, err, bad)
	}
	text := []byte("QUJD")
	got, err := standardBase64(text)
	require.NoError(t, err)
	assert.False(t, got.loose)
	assert.Same(t, &text[0], &got.Base64[0], "no copy")
}

// As much is decoded as is looked at: what was cut would look whole, and broken.
func TestTypeOfLongFiles(t *testing.T) {
	encode := base64.StdEncoding.EncodeToString
	for name, c := range map[string]struct{ content, want string }{
		"JSON": {`{"a":"` + strings.Repeat("b", 5000) + `"}`, "application/json"},
		"HTML": {strings.Repeat(" ", 3500) + "<html><head>" + strings.Repeat("x", 3000), "text/html"},
		"text": {strings.Repeat("plain ", 2000), "text/plain"},
	} {
		m, err := parseMedia([]byte(encode([]byte(c.content))))
		require.NoError(t, err)
		assert.Equal(t, c.want, m.MIMEType, name)
	}
}

// Padding has no size.
func TestEstimateOfDocuments(t *testing.T) {
	at := func(n int) int64 {
		m := Media{Base64: []byte(base64.StdEncoding.EncodeToString(make([]byte, n))), MIMEType: "application/pdf"}
		return EstimatePieces(Piece{}, []Piece{{Media: m}})
	}
	assert.EqualValues(t, pageTokens, at(1))
	assert.EqualValues(t, pageTokens, at(pageBytes-1))
	assert.EqualValues(t, 2*pageTokens, at(pageBytes))
}
