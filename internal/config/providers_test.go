package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/quotas"
)

// Keys of other providers have numbers of their own, whatever Gemini's are.
func TestKeysOfOtherProviders(t *testing.T) {
	c, err := Load(t.Context(), []string{
		"GEMINI_KEY_1=a", "OPENAI_KEY_1=b", "OPENAI_PROJECT_1=org-1", "OPENAI_KEY_12=c", "ANTHROPIC_KEY_1=d", "ANTHROPIC_BILLING_1=bill",
		"MY_VLLM_KEY_3=e", `FLUXGATE_PROVIDERS=[{"name":"my-vllm","base_url":"http://10.0.0.7:8000/v1","plain_http":true,"header":"API-Key"}]`,
		`FLUXGATE_LIMITS={"my-vllm/meta-llama/llama-4":{"rpm":3}}`,
	})
	require.NoError(t, err)
	type key struct {
		index                                 int
		value, project, billing, of, variable string
	}
	var found []key
	for _, k := range c.Keys {
		found = append(found, key{k.Index, k.Value.Reveal(), k.Project, k.Billing, k.Provider, k.Variable("KEY")})
	}
	assert.Equal(t, []key{
		{1, "a", "", "", "", "GEMINI_KEY_1"}, {100_001, "b", "org-1", "", "openai", "OPENAI_KEY_1"}, {100_012, "c", "", "", "openai", "OPENAI_KEY_12"},
		{200_001, "d", "", "bill", "anthropic", "ANTHROPIC_KEY_1"}, {300_003, "e", "", "", "my-vllm", "MY_VLLM_KEY_3"},
	}, found)
	assert.EqualValues(t, 3, *c.Limits["my-vllm/meta-llama/llama-4"].RPM)
	assert.Equal(t, "my-vllm/meta-llama/llama-4: rpm=3", c.Limits.String())
	project, model := c.SplitLimited("my-vllm/meta-llama/llama-4")
	assert.Empty(t, project)
	assert.Equal(t, "my-vllm/meta-llama/llama-4", model)
	project, model = c.SplitLimited("my-project/flash")
	assert.Equal(t, "my-project", project)
	assert.Equal(t, "flash", model)
	all := c.AllProviders()
	assert.Equal(t, "api-key", all[2].Header)
	assert.Equal(t, FormatOpenAI, all[2].Format)

	c, err = Load(t.Context(), []string{
		"OPENAI_PROJECT_ID=proj_1", "OPENAI_KEY_FILE=key.txt", "AZURE_KEY_VAULT_NAME=vault", "AZURE_KEY_KEY_1=a", "AZURE_KEY_1=b",
		`FLUXGATE_PROVIDERS=[{"name":"azure","base_url":"https://x"},{"name":"azure-key","base_url":"https://y"}]`,
	})
	require.NoError(t, err, "what other programs are told, and other providers")
	require.Len(t, c.Keys, 2)
	assert.Equal(t, []string{"azure", "azure-key"}, []string{c.Keys[0].Provider, c.Keys[1].Provider})

	c, err = Load(t.Context(), []string{"OPENAI_KEY_1=b", "OPENAI_BASE_URL=http://localhost:1234/v1", "ANTHROPIC_BASE_URL=ftp://nobody"})
	require.NoError(t, err, "what is nobody's isn't looked at")
	assert.Equal(t, "http://localhost:1234/v1", c.AllProviders()[0].BaseURL)
	assert.Equal(t, anthropicURL, c.AllProviders()[1].BaseURL)
}

func TestProvidersRefused(t *testing.T) {
	for env, want := range map[string]string{
		"OPENAI_BASE_URL=http://api.openai.com/v1":                                                       "OPENAI_BASE_URL: want https",
		"OPENAI_BASE_URL=https://169.254.169.254/v1":                                                     "OPENAI_BASE_URL: it is link-local",
		"GOOGLE_GEMINI_BASE_URL=https://169.254.169.254/":                                                "GOOGLE_GEMINI_BASE_URL: it is link-local",
		"GOOGLE_GEMINI_BASE_URL=https://metadata.google.internal/":                                       "GOOGLE_GEMINI_BASE_URL: it is link-local",
		"OPENAI_BASE_URL=https://hunter2:x":                                                              "OPENAI_BASE_URL: want an absolute URL",
		"OPENAI_PROJECT_2=org":                                                                           "OPENAI_PROJECT_2: there is no OPENAI_KEY_2",
		"OPENAI_PROJECT_1=a b":                                                                           "OPENAI_PROJECT_1: character 2",
		"OPENAI_KEY_01=x":                                                                                "want OPENAI_KEY_ and a number from 1",
		"OPENAI_KEY_2=a b":                                                                               "OPENAI_KEY_2: character 2",
		`FLUXGATE_PROVIDERS={"name":"x"}`:                                                                "want a JSON list",
		`FLUXGATE_PROVIDERS=[{"name":"groq","url":"x"}]`:                                                 "want a JSON list",
		`FLUXGATE_PROVIDERS=[{"name":"openai","base_url":"https://x"}]`:                                  "entry 1: name openai: it is built in, so want its limits alone",
		`FLUXGATE_PROVIDERS=[{"name":"anthropic","limits":[{"of":"images","most":1}]}]`:                  "entry 1: limits, entry 1: of: want",
		`FLUXGATE_PROVIDERS=[{"name":"gemini","limits":[{"of":"at_a_time","most":1}]}]`:                  "entry 1: name gemini: it is taken",
		`FLUXGATE_PROVIDERS=[{"name":"Groq","base_url":"https://x"}]`:                                    "entry 1: name: want",
		`FLUXGATE_PROVIDERS=[{"name":"groq"}]`:                                                           "entry 1: base_url: want an absolute URL",
		`FLUXGATE_PROVIDERS=[{"name":"groq","base_url":"http://x"}]`:                                     "entry 1: base_url: want https",
		`FLUXGATE_PROVIDERS=[{"name":"groq","base_url":"http://[fe80::1]/"}]`:                            "link-local",
		`FLUXGATE_PROVIDERS=[{"name":"groq","base_url":"https://u:hunter2@x"}]`:                          "want no user or password",
		`FLUXGATE_PROVIDERS=[{"name":"groq","base_url":"https://x","format":"gemini"}]`:                  `format "gemini": want openai or anthropic`,
		`FLUXGATE_PROVIDERS=[{"name":"groq","base_url":"https://x","header":"cookie"}]`:                  `header "cookie": want`,
		`FLUXGATE_PROVIDERS=[{"name":"azure","base_url":"https://x","api_version":"a&b=c"}]`:             `api_version "a&b=c": want a date`,
		`FLUXGATE_PROVIDERS=[{"name":"groq","base_url":"https://x","models":["*a*"]}]`:                   "models",
		`FLUXGATE_PROVIDERS=[{"name":"xx","base_url":"https://x"},{"name":"xx","base_url":"https://x"}]`: "xx is named twice",
	} {
		_, err := Load(t.Context(), []string{"OPENAI_KEY_1=sk-hunter", env})
		require.ErrorContains(t, err, want, env)
		assert.NotContains(t, err.Error(), "hunter")
	}
	for _, name := range []string{"OPENAI", "ANTHROPIC"} {
		_, err := Load(t.Context(), []string{"FLUXGATE_KEYS_SECRET=projects/p/secrets/s", name + "_BASE_URL=http://x.test/v1"})
		require.ErrorContains(t, err, name+"_BASE_URL: want https", "a key of the secret's may go there")
	}
}

// Of a built-in provider its limits may be named, and nothing else changes by that.
func TestLimitsOfBuiltIn(t *testing.T) {
	cfg, err := load(t, "GROQ_KEY_1=gsk-hunter", `FLUXGATE_PROVIDERS=[{"name":"anthropic","limits":[{"of":"at_a_time","most":4,"project":"org-a"}]},{"name":"groq","base_url":"https://api.groq.com/openai/v1"}]`)
	require.NoError(t, err)
	var names []string
	for _, p := range cfg.AllProviders() {
		names = append(names, p.Name)
	}
	assert.Equal(t, []string{"openai", "anthropic", "groq"}, names)
	anthropic := cfg.AllProviders()[1]
	assert.Equal(t, "https://api.anthropic.com", anthropic.BaseURL)
	assert.Equal(t, quotas.List{{Of: quotas.AtATime, Most: 4, Project: "org-a"}}, anthropic.Limits)
	assert.Equal(t, 400_001, cfg.Keys[len(cfg.Keys)-1].Index, "an entry has the numbers of its place")
}

func TestProviderModel(t *testing.T) {
	for name, want := range map[string]bool{
		"openai/gpt-5.1": true, "openrouter/openai/gpt-5.1": true, "groq/meta-llama/llama-4": true, "aws/us.anthropic.claude:0": true,
		"gpt-5": false, "models/x": false, "openai/": false, "openai/a//b": false, "openai/a b": false, "openai/../x": false, "#feature/x": false, "OpenAI/x": false,
	} {
		assert.Equal(t, want, ProviderModel(name), name)
	}
}

// A chain has models of providers that are known to serve chats in OpenAI's format.
func TestCheckChain(t *testing.T) {
	cfg, err := load(t, `FLUXGATE_PROVIDERS=[{"name":"home","base_url":"https://home.example/v1"},{"name":"other","base_url":"https://other.example","format":"anthropic"}]`)
	require.NoError(t, err)
	require.NoError(t, cfg.CheckChain([]string{"gemini-2.5-pro", "home/a/b", "openai/x", "anthropic/y"}))
	require.ErrorContains(t, cfg.CheckChain([]string{"other/x"}), "other/x: other isn't known to serve chats")
	require.ErrorContains(t, cfg.CheckChain([]string{"nobody/x"}), "there is no provider nobody: want one of gemini, openai, anthropic, home, other")
	chats := make(map[string]string)
	for _, p := range cfg.AllProviders() {
		chats[p.Name] = p.Chats()
	}
	assert.Equal(t, map[string]string{"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com/v1", "home": "https://home.example/v1", "other": ""}, chats)
}

// What other providers' SDKs read is said not to be read where there is no key, and silently left
// alone where there is one; what is called like nobody's is always said.
func TestLonelyKeysOfProviders(t *testing.T) {
	for _, c := range []struct {
		env  []string
		want []string
	}{
		{[]string{"OPENAI_API_KEY=sk-hunter"}, []string{"OPENAI_API_KEY is not read, and no key of openai is configured: one that Fluxgate is to use is OPENAI_KEY_1"}},
		{[]string{"ANTHROPIC_API_KEY=sk-hunter"}, []string{"ANTHROPIC_API_KEY is not read, and no key of anthropic is configured: one that Fluxgate is to use is ANTHROPIC_KEY_1"}},
		{[]string{"OPENAI_API_KEY=sk-hunter", "GEMINI_KEY_1=AIza"}, nil},
		{[]string{"OPENAI_API_KEY=sk-hunter", "ANTHROPIC_KEY_1=sk-ant"}, nil},
		{[]string{"OPENAI_KEY=sk-hunter", "GEMINI_KEY_1=AIza"}, []string{"OPENAI_KEY is not read, and no key of openai is configured: one that Fluxgate is to use is OPENAI_KEY_1"}},
		{[]string{"OPENAI_KEY=sk-hunter", "OPENAI_KEY_1=sk-1"}, nil},
		{[]string{"OPENAI_KEY=sk-hunter", "FLUXGATE_KEYS_SECRET=projects/p/secrets/s"}, nil}, // which may have one of openai
	} {
		cfg, err := load(t, c.env...)
		require.NoError(t, err)
		assert.Equal(t, c.want, cfg.Warnings, c.env)
	}
}
