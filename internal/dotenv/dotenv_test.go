package dotenv

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func dotEnv(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// unset removes variables for the test and has them put back after it.
func unset(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		t.Setenv(name, "") // which registers putting back what was there
		require.NoError(t, os.Unsetenv(name))
	}
}

func TestLoad(t *testing.T) {
	unset(t, "FG_NEW", "FG_QUOTED", "FG_BLANK", "FG_JSON")
	t.Setenv("FG_REAL", "real")
	t.Setenv("FG_REAL_EMPTY", "")
	found, err := Load(dotEnv(t, "\ufeff# comment\nexport FG_NEW=1\nFG_QUOTED='a$b'\r\nFG_BLANK=\n"+
		"FG_REAL=file\nFG_REAL_EMPTY=file\nFG_JSON={\"m\":{\"rpm\":5}}\n"))
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, "1", os.Getenv("FG_NEW"))
	assert.Equal(t, "a$b", os.Getenv("FG_QUOTED"), "single quotes keep a $")
	assert.Equal(t, `{"m":{"rpm":5}}`, os.Getenv("FG_JSON"), "FLUXGATE_LIMITS needs no quotes")
	assert.Equal(t, "real", os.Getenv("FG_REAL"), "the real environment wins")
	value, set := os.LookupEnv("FG_REAL_EMPTY")
	assert.True(t, set && value == "", "even when it is empty")
	_, set = os.LookupEnv("FG_BLANK")
	assert.False(t, set, "libraries may ask only whether a variable exists")
}

// Windows PowerShell writes UTF-16 where a command's output goes to a file. Case C22.
func TestDotEnvInUTF16(t *testing.T) {
	const text = "# Schlüssel 🔑\r\nFG_KEY=a\r\nFG_QUOTED='a$b'\r\n"
	for _, mark := range []string{"\ufeff", ""} {
		for name, order := range map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian} {
			t.Run(name+mark, func(t *testing.T) {
				unset(t, "FG_KEY", "FG_QUOTED")
				var data []byte
				for _, unit := range utf16.Encode([]rune(mark + text)) {
					data = order.AppendUint16(data, unit)
				}
				found, err := Load(dotEnv(t, string(data)))
				require.NoError(t, err)
				assert.True(t, found)
				assert.Equal(t, "a", os.Getenv("FG_KEY"))
				assert.Equal(t, "a$b", os.Getenv("FG_QUOTED"))
			})
		}
	}
}

func TestNoDotEnvIsFine(t *testing.T) {
	found, err := Load(filepath.Join(t.TempDir(), ".env"))
	assert.NoError(t, err)
	assert.False(t, found)
}

func TestDotEnvRefused(t *testing.T) {
	unset(t, "FG_A")
	for _, tt := range []struct{ name, text, want string }{
		// The parser's own messages quote the file from there on.
		{"no name", "FG_A=1\n\nhunter2\nGEMINI_KEY_1=hunter2\n", "line 3 isn't NAME=value"},
		{"no name at the end", "FG_A=1\nhunter2", "line 2 isn't NAME=value"},
		{"strange name", "FG_A=1\nFG-B=hunter2\n", "line 2 isn't NAME=value"},
		{"open quote", "FG_A=1\nGEMINI_KEY_1=\"hunter2\nFG_C=3\n", "line 2 isn't NAME=value, or a quote isn't closed"},
		{"after a value of several lines", "FG_A=\"1\n2\n3\"\n!hunter2\n", "line 4 isn't NAME=value"},
		{"half a character of UTF-16", "\xff\xfeF\x00G", "ends within a character: save it as UTF-8"},
		{"no text", "FG_A=1\nhunter2\x00", "isn't text: save it as UTF-8"},
		{"UTF-16 with a mistake", "\xff\xfeh\x00u\x00n\x00t\x00e\x00r\x002\x00", "line 1 isn't NAME=value"},
		{"much too large", "FG_A=" + strings.Repeat("x", maxDotEnv), "larger than 262144 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(dotEnv(t, tt.text))
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "hunter2")
			assert.Empty(t, os.Getenv("FG_A"), "a file with a mistake sets nothing")
		})
	}
	_, err := Load(t.TempDir())
	assert.ErrorContains(t, err, "read the .env file", "a directory is not a missing file")
}
