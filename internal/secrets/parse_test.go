package secrets

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pairs is a form whose lines and objects can be wrong.
var pairs = Form[string]{
	Fields: []string{"a", "b"},
	Line: func(text string) (string, error) {
		if text == "bad" {
			return "", errors.New("it is bad")
		}
		return text, nil
	},
	Object: func(f map[string]string) (string, error) {
		if f["a"] == "bad" {
			return "", errors.New("it is bad")
		}
		return f["a"] + "/" + f["b"], nil
	},
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"lines", "\ufeff# comment\nx\n\n 'y z' \r\n", []string{"x", "y z"}},
		{"objects, fields in any order or missing", ` [{"b":" 2 ","a":"1"},{"b":"3"},{"a":null}]`, []string{"1/2", "/3", "/"}},
		// How an operator takes everything back.
		{"deliberately none", "[]", []string{}},
		{"only comments", "# none\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse([]byte(tt.text), pairs)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"blank", " \n", `it is empty: want an entry on each line, or [{"a":"…","b":"…"}]`},
		{"an object", `{"a":"x"}`, `it is a JSON object: want an array, [{"a":"…","b":"…"}]`},
		{"every wrong line", "bad\nx\nbad", "entry 1: it is bad\nentry 3: it is bad"},
		{"every wrong object", `[{"a":"bad"},{},{"a":1},{"hunter2":"x"}]`,
			"entry 1: it is bad\n" + `entry 2: it is empty: want {"a":"…","b":"…"}` + "\nentry 3: its a is not a string: want it in quotes\nentry 4: it has a field other than a and b: want no other"},
		{"not an array of objects", `["hunter2"]`, `it is not a JSON array of {"a":"…","b":"…"} at byte 10: want nothing else in it`},
		{"cut off", `["hunter2`, `it is not valid JSON at byte 9: want an array, [{"a":"…","b":"…"}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text), pairs)
			assert.EqualError(t, err, tt.want)
		})
	}
}

func TestReadAllNamesEveryFailure(t *testing.T) {
	got, err := ReadAll([]string{"x", "y"}, func(name string) (string, error) { return name + "!", nil })
	require.NoError(t, err)
	assert.Equal(t, []string{"x!", "y!"}, got, "in the order of the names")
	_, err = ReadAll([]string{"x", "y", "z"}, func(name string) (string, error) {
		if name == "y" {
			return "", nil
		}
		return "", errors.New("down")
	})
	assert.EqualError(t, err, "read x: down\nread z: down")
}
