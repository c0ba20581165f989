package keys

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParsePayload(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []parsed
	}{
		{"one key", "a", []parsed{{"a", "", "", "", ""}}},
		{"echo adds a line break", "a\n", []parsed{{"a", "", "", "", ""}}},
		{"lines", "# team keys\na\n\n  b  \r\n#c\n'd'\n", []parsed{{"a", "", "", "", ""}, {"b", "", "", "", ""}, {"d", "", "", "", ""}}},
		{"a mark that editors write", "\ufeffa\n", []parsed{{"a", "", "", "", ""}}},
		{"a file that PowerShell wrote", "\xff\xfea\x00\r\x00\n\x00b\x00", []parsed{{"a", "", "", "", ""}, {"b", "", "", "", ""}}},
		{"JSON", ` [{"key":"a","project":"team"},{"project":"","key":" b "}]` + "\n", []parsed{{"a", "team", "", "", ""}, {"b", "", "", "", ""}}},
		{"a JSON entry that was blanked keeps its place", `[{"key":""},{"key":"b","project":null}]`, []parsed{{"", "", "", "", ""}, {"b", "", "", "", ""}}},
		{"new keys have dots", "AQ.x-y_z", []parsed{{"AQ.x-y_z", "", "", "", ""}}},
		{"usage tiers", `[{"key":"a","project":"team","tier":"1"}]`, []parsed{{"a", "team", "", "1", ""}}},
		{"providers", `[{"key":"a","provider":"openai"},{"key":"b"}]`, []parsed{{"a", "", "", "", "openai"}, {"b", "", "", "", ""}}},
		{"billing accounts", `[{"key":"a","project":"team","billing":"0X-1"},{"key":"b","billing":"0X-1"}]`, []parsed{{"a", "team", "0X-1", "", ""}, {"b", "", "0X-1", "", ""}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parsePayload([]byte(tt.text))
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestParsePayloadRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "it is empty"},
		{"blank", " \n\t\n", "it is empty"},
		{"comments", "# hunter2\n", "it holds no key"},
		{"empty array", "[]", "it holds no key"},
		{"blank entries", `[{"key":""}]`, "it holds no key"},
		{"object", `{"key":"hunter2"}`, "it is a JSON object: want an array"},
		{"array of strings", `["hunter2"]`, "it is not a JSON array of"},
		{"cut off", `[{"key":"hunter2"}`, "it is not valid JSON at byte 18"},
		{"trailing", `[{"key":"hunter2"}] hunter2`, "it is not valid JSON at byte 21"},
		{"key is no string", `[{"key":12345}]`, "entry 1: its key is not a string"},
		{"project is no string", `[{"key":"hunter2","project":["hunter2"]}]`, "entry 1: its project is not a string"},
		{"misspelt field", `[{"key":"hunter2","projekt":"hunter2"}]`, "entry 1: it has a field other than key and project"},
		{"key as a field's name", `[{"hunter2":"team"}]`, "entry 1: it has a field other than key and project"},
		{"project alone", `[{"key":"hunter2"},{"project":"hunter2"}]`, "entry 2: it declares something of a project but no key"},
		{"empty object", `[{"key":"hunter2"},{}]`, "entry 2: it is empty"},
		{"null entry", `[null]`, "entry 1: it is empty"},
		{"several", `[{"key":1},{"key":"hunter2"},{}]`, "entry 1: its key is not a string: want it in quotes\nentry 3: it is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parsePayload([]byte(tt.text))
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "hunter2")
			assert.NotContains(t, err.Error(), "12345", "a number may be a key too")
		})
	}
}

func FuzzParsePayload(f *testing.F) {
	for _, seed := range []string{"a\nb", `[{"key":"a","project":"p"}]`, "[", "{", "#", "\ufeff[null]", "'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := parsePayload([]byte(text))
		if err != nil {
			return
		}
		found := false
		for _, e := range entries {
			found = found || e.value != ""
			assert.False(t, e.value == "" && e.project != "", "a project without a key")
		}
		assert.True(t, found, "no error, but no key either")
	})
}
