package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dotenv"
)

// What init writes is what config reads.
func TestInit(t *testing.T) {
	for _, c := range []struct {
		name, answers string
		check         func(t *testing.T, cfg *config.Config)
	}{
		{"a key and nothing else", "AQ.one\n\n\n\n\n", func(t *testing.T, cfg *config.Config) {
			require.Len(t, cfg.Keys, 1)
			assert.Nil(t, cfg.MaxWait)
			assert.False(t, cfg.HasTokens())
		}},
		{"everything, and signs that .env files have a meaning for", "AQ.$HOME#one\nteam-a\n\"AQ.two\"\r\nteam-b\n\nno\nalice\n", func(t *testing.T, cfg *config.Config) {
			require.Len(t, cfg.Keys, 2)
			assert.Equal(t, "AQ.$HOME#one", cfg.Keys[0].Value.Reveal())
			assert.Equal(t, "AQ.two", cfg.Keys[1].Value.Reveal())
			assert.Equal(t, "team-b", cfg.Keys[1].Project)
			require.NotNil(t, cfg.MaxWait)
			assert.Zero(t, *cfg.MaxWait)
			require.Len(t, cfg.Tokens, 1)
			assert.Equal(t, "alice", cfg.Tokens[0].Name)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{"GEMINI_KEY_1", "GEMINI_PROJECT_1", "GEMINI_KEY_2", "GEMINI_PROJECT_2", "FLUXGATE_MAX_WAIT", "FLUXGATE_TOKENS"} {
				t.Setenv(name, "") // so that it is as before afterwards
				require.NoError(t, os.Unsetenv(name))
			}
			path := filepath.Join(t.TempDir(), ".env")
			out, err := runInit(path, c.answers)
			require.NoError(t, err)
			assert.NotContains(t, out, "AQ.")
			info, err := os.Stat(path)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

			found, err := dotenv.Load(path)
			require.NoError(t, err)
			require.True(t, found)
			cfg, err := config.Load(t.Context(), os.Environ())
			require.NoError(t, err)
			c.check(t, cfg)

			before, err := os.ReadFile(path)
			require.NoError(t, err)
			_, err = runInit(path, c.answers)
			assert.ErrorContains(t, err, "is there already")
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, before, after)
		})
	}
}

// A wrong answer, where nobody can be asked again, writes nothing, and isn't repeated where it may be a key.
func TestInitRefuses(t *testing.T) {
	for name, c := range map[string]struct{ answers, says string }{
		"no answer":                   {"", "the answers end too early"},
		"no key":                      {"\n", "the key is empty"},
		"a key with a blank":          {"AQ.one two\n", "is a blank"},
		"a key with a quote":          {"AQ.o'ne\n", "want no '"},
		"a key in place of a project": {"AQ.one\nAQ.one\n\n\n\n", "it holds the key of GEMINI_KEY_1"},
		"neither yes nor no":          {"AQ.one\n\n\nmaybe\n", "want yes or no"},
		"a name that is none":         {"AQ.one\n\n\n\nAlice B\n", "name"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), ".env")
			out, err := runInit(path, c.answers)
			require.ErrorContains(t, err, c.says)
			assert.Equal(t, exitUsage, codeOf(err))
			assert.NotContains(t, out+err.Error(), "AQ.")
			assert.NoFileExists(t, path)
		})
	}
}

// On a terminal a wrong answer is asked for again, and a key is read where it isn't shown.
func TestInitAsksAgain(t *testing.T) {
	typed := []string{"two keys", "AQ.one", ""}
	var out bytes.Buffer
	a := &answers{lines: bufio.NewReader(strings.NewReader("key-1\nteam-a\n\n\n")), out: &out, hidden: func() (string, error) {
		key := typed[0]
		typed = typed[1:]
		return key, nil
	}}
	path := filepath.Join(t.TempDir(), ".env")
	require.NoError(t, initialize(t.Context(), a, path))
	assert.Empty(t, typed)
	for _, text := range []string{"Gemini API key 1", "character 4 of the key is a blank", `the project begins with "key-"`, "Gemini API key 2"} {
		assert.Contains(t, out.String(), text)
	}
	assert.NotContains(t, out.String(), "AQ.")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(text), "GEMINI_KEY_1='AQ.one'\nGEMINI_PROJECT_1='team-a'\n")
}

func runInit(path, answers string) (string, error) {
	var out bytes.Buffer
	cmd := newCommand()
	cmd.SetArgs([]string{"init", "--env-file", path})
	cmd.SetIn(strings.NewReader(answers))
	cmd.SetOut(&out)
	err := cmd.Execute()
	return out.String(), err
}
