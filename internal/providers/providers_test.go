package providers

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
)

func TestChoose(t *testing.T) {
	list := List((&config.Config{Providers: config.ProviderList{
		{Name: "groq", Format: config.FormatOpenAI, Models: []string{"llama-*"}},
		{Name: "home", Format: config.FormatOpenAI, Models: []string{"llama-3*"}},
	}}).AllProviders())
	all := []string{"gemini", "openai", "anthropic", "groq", "home"}
	for _, c := range []struct {
		name          string
		keys          []string
		format        string
		model, header string
		want          Choice
		fails         string
	}{
		{name: "Gemini alone: whatever it is called", keys: []string{"gemini"}, model: "gpt-5", want: Choice{"gemini", "gpt-5"}},
		{name: "no keys at all: as before", model: "x", want: Choice{"gemini", "x"}},
		{name: "Gemini's", keys: all, model: "gemini-2.5-flash", want: Choice{"gemini", "gemini-2.5-flash"}},
		{name: "the chain", keys: all, model: "auto", want: Choice{"gemini", "auto"}},
		{name: "a name that one has", keys: all, model: "gpt-5.1", want: Choice{"openai", "gpt-5.1"}},
		{name: "a name before it", keys: all, model: "openai/some-model", want: Choice{"openai", "some-model"}},
		{name: "a name before a name with one", keys: all, model: "groq/meta-llama/llama-4", want: Choice{"groq", "meta-llama/llama-4"}},
		{name: "gemini before it", keys: all, model: "gemini/gemini-2.5-pro", want: Choice{"gemini", "gemini-2.5-pro"}},
		{name: "a name that two have", keys: all, model: "llama-3.1", fails: "several providers"},
		{name: "of two that have it one has keys", keys: []string{"gemini", "home"}, model: "llama-3.1", want: Choice{"home", "llama-3.1"}},
		{name: "the header", keys: all, model: "llama-3.1", header: "groq", want: Choice{"groq", "llama-3.1"}},
		{name: "the header before a name that begins like another's", keys: all, model: "openai/gpt-oss-20b", header: "groq", want: Choice{"groq", "openai/gpt-oss-20b"}},
		{name: "the header and a name before it", keys: all, model: "openai/gpt-5.1", header: "openai", want: Choice{"openai", "gpt-5.1"}},
		{name: "a header that names nobody, and a name before it", keys: all, model: "openai/gpt-5.1", header: "azure", fails: Header},
		{name: "a header that names nobody", keys: all, model: "x", header: "azure", fails: Header},
		{name: "a header that names who speaks otherwise", keys: all, model: "x", header: "anthropic", fails: Header},
		{name: "the only one", keys: []string{"groq"}, model: "openai/gpt-oss-20b", want: Choice{"groq", "openai/gpt-oss-20b"}},
		{name: "several, and nothing says which", keys: []string{"groq", "openai"}, model: "x", fails: "groq"},
		{name: "no name", keys: []string{"groq"}, model: "a\nb", fails: "can't be the name"},
		{name: "Anthropic's format", keys: all, format: config.FormatAnthropic, model: "claude-sonnet-4-5", want: Choice{"anthropic", "claude-sonnet-4-5"}},
		{name: "the only one of that format", keys: all, format: config.FormatAnthropic, model: "x", want: Choice{"anthropic", "x"}},
		{name: "a name that one has who doesn't serve the route", keys: all, model: "claude-sonnet-4-5", fails: "anthropic has it"},
		{name: "a name before it of one who doesn't serve the route", keys: all, model: "anthropic/x", fails: "anthropic has it"},
		{name: "the same, beside Gemini alone", keys: []string{"gemini", "anthropic"}, model: "anthropic/x", fails: "anthropic has it"},
		{name: "one without keys has it", keys: []string{"gemini"}, model: "claude-sonnet-4-5", want: Choice{"gemini", "claude-sonnet-4-5"}},
		{name: "the only one of the format, whatever others have", keys: []string{"groq", "anthropic"}, model: "anthropic/x", want: Choice{"groq", "anthropic/x"}},
		{name: "nobody speaks it", keys: []string{"gemini"}, format: config.FormatAnthropic, model: "x", fails: "No key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := Question{Format: config.FormatOpenAI, Model: c.model, Named: c.header, Has: func(name string) bool { return slices.Contains(c.keys, name) }}
			if c.format != "" {
				q.Format = c.format
			}
			got, err := list.Choose(q)
			if c.fails != "" {
				require.ErrorContains(t, err, c.fails)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
	assert.Equal(t, "gemini-x", Choice{"gemini", "gemini-x"}.Counted())
	assert.Equal(t, "openai/gpt-5", Choice{"openai", "gpt-5"}.Counted())
}

func TestAmong(t *testing.T) {
	list := List((&config.Config{Providers: config.ProviderList{{Name: "groq", Format: config.FormatOpenAI}}}).AllProviders())
	for _, c := range []struct {
		name, format, header string
		keys                 []string
		gemini               bool
		want                 []string
		fails                string
	}{
		{name: "nobody else has keys", format: config.FormatOpenAI, keys: []string{"gemini", "anthropic"}, gemini: true, want: []string{"gemini"}},
		{name: "no keys at all", format: config.FormatOpenAI, gemini: true},
		{name: "Gemini doesn't serve it", format: config.FormatOpenAI, keys: []string{"gemini", "openai"}, want: []string{"openai"}},
		{name: "several", format: config.FormatOpenAI, keys: []string{"groq", "gemini", "openai"}, gemini: true, want: []string{"gemini", "openai", "groq"}},
		{name: "the header", format: config.FormatOpenAI, header: "groq", keys: []string{"groq", "openai"}, want: []string{"groq"}},
		{name: "a header that names who has no keys", format: config.FormatOpenAI, header: "groq", keys: []string{"openai"}, fails: Header},
		{name: "Anthropic's format", format: config.FormatAnthropic, keys: []string{"gemini", "anthropic"}, want: []string{"anthropic"}},
		{name: "nobody speaks it", format: config.FormatAnthropic, keys: []string{"gemini"}, fails: "No key"},
	} {
		got, err := list.Among(Question{Format: c.format, Named: c.header, Has: func(name string) bool { return slices.Contains(c.keys, name) }}, c.gemini)
		if c.fails != "" {
			assert.ErrorContains(t, err, c.fails, c.name)
			continue
		}
		require.NoError(t, err, c.name)
		assert.Equal(t, c.want, got, c.name)
	}
}
