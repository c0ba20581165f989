package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeysFromEnvironment(t *testing.T) {
	type found struct {
		Index          int
		Value, Project string
	}
	for _, tt := range []struct {
		name     string
		environ  []string
		want     []found
		warnings []string
	}{
		{"none", nil, nil, nil},
		{"in numeric order, not as text", []string{"GEMINI_KEY_10=j", "GEMINI_KEY_2=b", "GEMINI_KEY_1=a", "GEMINI_KEY_3=c",
			"GEMINI_KEY_4=d", "GEMINI_KEY_5=e", "GEMINI_KEY_6=f", "GEMINI_KEY_7=g", "GEMINI_KEY_8=h", "GEMINI_KEY_9=i"},
			[]found{{1, "a", ""}, {2, "b", ""}, {3, "c", ""}, {4, "d", ""}, {5, "e", ""}, {6, "f", ""}, {7, "g", ""}, {8, "h", ""}, {9, "i", ""}, {10, "j", ""}}, nil},
		{"projects", []string{"GEMINI_KEY_1=a", "GEMINI_PROJECT_1= team-1 ", "GEMINI_KEY_2=b", "GEMINI_PROJECT_2="},
			[]found{{1, "a", "team-1"}, {2, "b", ""}}, nil},
		{"a copied key brings blanks, a shell script quotes", []string{"GEMINI_KEY_1=  a\r\n", `GEMINI_KEY_2="b"`, "GEMINI_KEY_3=' c '"},
			[]found{{1, "a", ""}, {2, "b", ""}, {3, "c", ""}}, nil},
		{"the number stays the ID when a key before it goes", []string{"GEMINI_KEY_1=a", "GEMINI_KEY_2=", "GEMINI_KEY_4=d"},
			[]found{{1, "a", ""}, {4, "d", ""}},
			[]string{"not set or empty: GEMINI_KEY_2, GEMINI_KEY_3 (the keys after it keep their numbers)"}},
		{"a large gap is told in one line", []string{"GEMINI_KEY_2000=x"}, []found{{2000, "x", ""}},
			[]string{"not set or empty: GEMINI_KEY_1 to GEMINI_KEY_1999 (the keys after it keep their numbers)"}},
		{"Google's own variable", []string{"GEMINI_API_KEY=a", "GEMINI_PROJECT_1=p"}, []found{{1, "a", "p"}},
			[]string{"GEMINI_API_KEY is used as key 1: name it GEMINI_KEY_1"}},
		{"Google's own variable beside ours", []string{"GEMINI_API_KEY=z", "GEMINI_KEY_1=a"}, []found{{1, "a", ""}},
			[]string{"GEMINI_API_KEY is ignored because GEMINI_KEY_N is set"}},
		{"secrets go first", []string{"FLUXGATE_KEYS_SECRET=S", "GOOGLE_CLOUD_PROJECT=p", "GEMINI_KEY_1=a"}, nil,
			[]string{"the keys of GEMINI_KEY_N are ignored because FLUXGATE_KEYS_SECRET is set"}},
		{"empty but malformed names are nobody's business", []string{"GEMINI_KEY_0=", "GEMINI_KEY_X="}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.environ...)
			require.NoError(t, err)
			var got []found
			for _, k := range c.Keys {
				got = append(got, found{k.Index, k.Value.Reveal(), k.Project})
			}
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.warnings, c.Warnings)
		})
	}
}

func TestKeysRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		environ []string
		want    string
	}{
		{"two keys in one variable", []string{"GEMINI_KEY_1=hunter2 hunter3"}, "GEMINI_KEY_1: character 8 of the key is a blank"},
		{"no-break space of a web page", []string{"GEMINI_KEY_1=hunter2\u00a0x"}, "GEMINI_KEY_1: character 8 of the key is a blank"},
		{"zero-width space of a chat", []string{"GEMINI_KEY_1=hunter2\u200bx"}, "GEMINI_KEY_1: character 8 of the key is outside ASCII"},
		{"line break would end a header", []string{"GEMINI_KEY_1=hunter2\nx"}, "GEMINI_KEY_1: character 8 of the key is a control character"},
		{"not text", []string{"GEMINI_KEY_1=hunter2\xff"}, "GEMINI_KEY_1: character 8 of the key isn't valid UTF-8"},
		{"a whole file", []string{"GEMINI_KEY_1=" + strings.Repeat("hunter2", 700)}, "the key has 4900 characters: want at most 4096"},
		{"project without a key", []string{"GEMINI_PROJECT_3=p"}, "GEMINI_PROJECT_3: there is no GEMINI_KEY_3"},
		{"project of a blank key", []string{"GEMINI_PROJECT_1=p", "GEMINI_KEY_1= "}, "GEMINI_PROJECT_1: there is no GEMINI_KEY_1"},
		{"project that can't be a document", []string{"GEMINI_KEY_1=a", "GEMINI_PROJECT_1=hunter2/x"}, "GEMINI_PROJECT_1: character 8 of the project"},
		{"project named like an undeclared one", []string{"GEMINI_KEY_1=a", "GEMINI_PROJECT_1=key-hunter2"}, `GEMINI_PROJECT_1: the project begins with "key-"`},
		{"key in the place of the project", []string{"GEMINI_KEY_1=hunter2", "GEMINI_PROJECT_1=hunter2"}, "GEMINI_PROJECT_1: it holds the key of GEMINI_KEY_1"},
		{"numbered from 0", []string{"GEMINI_KEY_0=hunter2"}, `"GEMINI_KEY_0": want GEMINI_KEY_ and a number from 1`},
		{"leading zero, perhaps beside GEMINI_KEY_1", []string{"GEMINI_KEY_01=hunter2"}, "without leading zeros"},
		{"not a number", []string{"GEMINI_PROJECT_A=hunter2"}, `"GEMINI_PROJECT_A": want GEMINI_PROJECT_ and a number`},
		{"no bound on the number", []string{"GEMINI_KEY_99999999999999999999=hunter2"}, "and a number from 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.environ...)
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "hunter")
			assert.NotContains(t, err.Error(), "\n", "one mistake, one line")
		})
	}
}

func TestTooManyKeys(t *testing.T) {
	var environ []string
	for n := range MaxKeys + 1 {
		environ = append(environ, fmt.Sprintf("GEMINI_KEY_%d=k%d", n+1, n))
	}
	_, err := load(t, environ...)
	require.ErrorContains(t, err, "257 keys: want at most 256")
	_, err = load(t, environ[:MaxKeys]...)
	assert.NoError(t, err)
}

func TestCheckProject(t *testing.T) {
	for _, ok := range []string{"p", "my-project", "example.com:p_1", "..a", "__a", "Key-1", strings.Repeat("p", 128)} {
		assert.NoError(t, CheckProject(ok), ok)
	}
	// The last five are what Firestore refuses as a document ID, or what would
	// name another document.
	for _, bad := range []string{"", "key-1", strings.Repeat("p", 129), "a b", "ä", ".", "..", "__a__", "a/b", "/"} {
		assert.Error(t, CheckProject(bad), bad)
	}
}

func TestWithoutKeys(t *testing.T) {
	in := []string{"PATH=/bin", "GEMINI_KEY_1=a", "GEMINI_API_KEY=b", "GOOGLE_API_KEY=c", "FLUXGATE_TOKENS=d", "FLUXGATE_ADMIN_TOKENS=e", "GEMINI_MODE=both",
		"OTEL_EXPORTER_OTLP_HEADERS=f", "OTEL_EXPORTER_OTLP_TRACES_HEADERS=g", "OTEL_EXPORTER_OTLP_ENDPOINT=h"}
	assert.Equal(t, []string{"PATH=/bin", "GEMINI_MODE=both", "OTEL_EXPORTER_OTLP_ENDPOINT=h"}, WithoutKeys(in))
	assert.Equal(t, "GEMINI_KEY_1=a", in[1], "the caller's list is left alone")
}
