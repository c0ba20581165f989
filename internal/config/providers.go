package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/quotas"
	"fluxgate.dev/fluxgate/internal/sharing"
)

// A Provider is one that requests may go to beside Gemini: an endpoint that speaks OpenAI's
// format, or Anthropic's.
type Provider struct {
	// Name is what keys, projects and models of it are told by: "openai", or the name of
	// FLUXGATE_PROVIDERS. Its keys are in OPENAI_KEY_1, OPENAI_KEY_2, …
	Name string `json:"name"`
	// BaseURL is as its own clients are told it. It must be https, unless its host is a
	// loopback address or PlainHTTP allows it: the key travels with every request.
	BaseURL string `json:"base_url"`
	Format  string `json:"format"` // "openai" (the default) or "anthropic"
	Header  string `json:"header"` // where its key goes: "authorization" (the default), "x-api-key" or "api-key"
	// Models are the names of its models that need not be told from others'; each may end in "*".
	Models []string `json:"models"`
	// APIVersion is Azure's api-version. With it the base URL ends in /openai, and models are asked at
	// deployments/NAME; without, it ends in /openai/v1, where neither is needed.
	APIVersion string `json:"api_version"`
	PlainHTTP  bool   `json:"plain_http"` // allows http to a host of one's own network
	// Limits are those of its models that FLUXGATE_LIMITS has no words for.
	Limits quotas.List `json:"limits"`
	// Shared are models that count against one limit, beside those that are known to.
	Shared sharing.List `json:"shared"`
	number int          // its first key's number is this and one more
}

// The formats of providers.
const (
	FormatOpenAI    = "openai"
	FormatAnthropic = "anthropic"
)

// headers are where a key may go.
var headers = []string{"authorization", "x-api-key", "api-key"}

// numbersEach is how many numbers the keys of a provider have for themselves.
const numbersEach = 100_000

// Of the built-in providers: their base URLs, as their SDKs have them, and how their models are
// called. https://platform.openai.com/docs/models, https://docs.claude.com/en/docs/about-claude/models
const (
	openAIURL    = "https://api.openai.com/v1"
	anthropicURL = "https://api.anthropic.com"
)

var (
	openAIModels = []string{
		"gpt-*", "chatgpt-*", "o1", "o1-*", "o3", "o3-*", "o4-*", "codex-*", "computer-use-*", "text-embedding-3-*", "text-embedding-ada-002", "whisper-*", "tts-*", "dall-e-*", "omni-moderation-*", "text-moderation-*",
		"babbage-002", "davinci-002",
	}
	anthropicModels = []string{"claude-*"}
)

// AllProviders are the built-in ones and those of FLUXGATE_PROVIDERS.
func (c *Config) AllProviders() []Provider {
	all := []Provider{
		{Name: "openai", BaseURL: cmp.Or(c.OpenAIBaseURL, openAIURL), Format: FormatOpenAI, Header: headers[0], Models: openAIModels, number: numbersEach},
		{Name: "anthropic", BaseURL: cmp.Or(c.AnthropicBaseURL, anthropicURL), Format: FormatAnthropic, Header: headers[1], Models: anthropicModels, number: 2 * numbersEach},
	}
	for i, p := range c.Providers {
		if at := slices.Index(builtIn, p.Name); at >= 0 {
			all[at].Limits, all[at].Shared = p.Limits, p.Shared
			continue
		}
		p.number = (3 + i) * numbersEach
		all = append(all, p)
	}
	return all
}

// Sharing says which of the providers' models count together.
func (c *Config) Sharing() sharing.Table {
	table := make(sharing.Table)
	for _, p := range c.AllProviders() {
		table[p.Name] = sharing.Of(p.Name, p.Format == FormatAnthropic, p.Shared)
	}
	return table
}

// builtIn are the providers that FLUXGATE_PROVIDERS needs not name, and of which it may name the
// limits and which models share them; in the order of AllProviders.
var builtIn = []string{"openai", "anthropic"}

// Chats is the base URL at which it serves chat completions in OpenAI's format, as OpenAI's
// clients are told it; empty: nowhere, as far as is known.
func (p Provider) Chats() string {
	switch {
	case p.Format == FormatOpenAI:
		return p.BaseURL
	case p.Name == "anthropic": // https://platform.claude.com/docs/en/cli-sdks-libraries/libraries/openai-sdk
		return strings.TrimSuffix(p.BaseURL, "/") + "/v1"
	}
	return ""
}

// CheckChain reports what is wrong with the providers that the models of a chain are of.
func (c *Config) CheckChain(chain []string) error {
	all := c.AllProviders()
	names := []string{"gemini"}
	for _, p := range all {
		names = append(names, p.Name)
	}
	var problems []error
	for _, model := range chain {
		name, _, ok := strings.Cut(model, "/")
		if at := slices.Index(names, name) - 1; ok && at < 0 {
			problems = append(problems, fmt.Errorf("%s: there is no provider %s: want one of %s, or name it in FLUXGATE_PROVIDERS", model, name, strings.Join(names, ", ")))
		} else if ok && all[at].Chats() == "" {
			problems = append(problems, fmt.Errorf("%s: %s isn't known to serve chats in OpenAI's format, which all of a chain do: leave it out", model, name))
		}
	}
	return errors.Join(problems...)
}

// variables is how the names of a provider's variables begin: "OPENAI_".
func (p Provider) variables() string {
	return strings.ToUpper(strings.ReplaceAll(p.Name, "-", "_")) + "_"
}

// A ProviderList is FLUXGATE_PROVIDERS, in its order.
type ProviderList []Provider

var apiVersion = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?$`)

var providerName = regexp.MustCompile(`^[a-z][a-z0-9-]{1,31}$`)

// EnvDecode reads FLUXGATE_PROVIDERS. The error lists everything that is wrong.
func (l *ProviderList) EnvDecode(text string) error {
	if text == "" {
		return nil
	}
	var list ProviderList
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if dec.Decode(&list) != nil || dec.More() {
		return errors.New(`want a JSON list such as [{"name":"groq","base_url":"https://api.groq.com/openai/v1"}], with format, header, models, api_version, plain_http, limits and shared besides`)
	}
	var problems []error
	for i := range list {
		p := &list[i]
		p.Format, p.Header = cmp.Or(p.Format, FormatOpenAI), strings.ToLower(cmp.Or(p.Header, headers[0]))
		if err := p.check(); err != nil {
			problems = append(problems, inVariable(fmt.Sprintf("entry %d", i+1), err)...)
		}
		if slices.ContainsFunc(list[:i], func(x Provider) bool { return x.Name == p.Name }) {
			problems = append(problems, fmt.Errorf("%s is named twice: want each once", p.Name))
		}
	}
	*l = list
	return errors.Join(problems...)
}

func (p Provider) check() error {
	var problems []error
	switch {
	case !providerName.MatchString(p.Name):
		return errors.New("name: want 2 to 32 lower case letters, digits and '-', a letter first")
	case slices.Contains(builtIn, p.Name) && p.ownLimits():
		return errors.Join(append(p.Limits.Check(), p.Shared.Check(modelOfProvider.MatchString)...)...)
	case slices.Contains(builtIn, p.Name):
		return fmt.Errorf("name %s: it is built in, so want its limits alone, and which models share them; its base URL is %sBASE_URL", p.Name, p.variables())
	case slices.Contains([]string{"gemini", "fluxgate", "google", "models"}, p.Name):
		return fmt.Errorf("name %s: it is taken: want another", p.Name)
	}
	if p.Format != FormatOpenAI && p.Format != FormatAnthropic {
		problems = append(problems, fmt.Errorf("format %s: want %s or %s", quoted(p.Format), FormatOpenAI, FormatAnthropic))
	}
	if !slices.Contains(headers, p.Header) {
		problems = append(problems, fmt.Errorf("header %s: want one of %s", quoted(p.Header), strings.Join(headers, ", ")))
	}
	if p.APIVersion != "" && !apiVersion.MatchString(p.APIVersion) {
		problems = append(problems, fmt.Errorf("api_version %s: want a date such as 2024-10-21, or 2025-04-01-preview", quoted(p.APIVersion)))
	}
	problems = append(append(problems, p.Limits.Check()...), p.Shared.Check(modelOfProvider.MatchString)...)
	for _, name := range p.Models {
		if plain := strings.TrimSuffix(name, "*"); plain != "" && !modelOfProvider.MatchString(plain) {
			problems = append(problems, fmt.Errorf("models: %s is none, nor the beginning of one: want names, or beginnings such as llama-*", quoted(name)))
		}
	}
	if err := p.checkURL(); err != nil {
		problems = append(problems, inVariable("base_url", err)...)
	}
	return errors.Join(problems...)
}

// ownLimits reports whether nothing but limits, and who shares them, is said of a provider.
func (p Provider) ownLimits() bool {
	return p.BaseURL == "" && p.Format == FormatOpenAI && p.Header == headers[0] && p.Models == nil && !p.PlainHTTP && p.APIVersion == "" && len(p.Limits)+len(p.Shared) > 0
}

// checkURL reports what is wrong with the base URL. The error doesn't repeat it: it may hold a
// password.
func (p Provider) checkURL() error {
	u, err := url.Parse(p.BaseURL)
	if err != nil || p.BaseURL == "" {
		return errors.New("want an absolute URL")
	}
	asked := p.BaseURL
	if p.PlainHTTP && u.Scheme == "http" {
		asked = "https" + strings.TrimPrefix(asked, "http")
	}
	return checkBaseURL(asked)
}

// readProviderKeys finds the keys of other providers than Gemini, and their projects, among
// vars, in NAME_KEY_N, NAME_PROJECT_N and NAME_BILLING_N.
func (c *Config) readProviderKeys(vars map[string]string) []error {
	var problems []error
	own := map[string]*string{"openai": &c.OpenAIBaseURL, "anthropic": &c.AnthropicBaseURL}
	for _, p := range c.AllProviders() {
		found, wrong := numbered(vars, p.variables(), "KEY", "PROJECT", "BILLING")
		problems = append(problems, wrong...)
		keys := found["KEY"]
		for _, n := range slices.Sorted(maps.Keys(keys)) {
			c.Keys = append(c.Keys, KeyEntry{
				Index: p.number + n, Value: NewSecret(keys[n]), Project: found["PROJECT"][n], Billing: found["BILLING"][n], Provider: p.Name,
			})
		}
		for _, what := range []string{"PROJECT", "BILLING"} {
			problems = append(problems, declared(p.variables(), what, found[what], keys)...)
		}
		switch base := own[p.Name]; {
		case base == nil: // it was checked with FLUXGATE_PROVIDERS
		case len(keys) == 0 && c.KeysSecret == "":
			*base = "" // it is nobody's, and may be anything
		default:
			if err := p.checkURL(); err != nil {
				problems = append(problems, inVariable(p.variables()+"BASE_URL", err)...)
			}
		}
	}
	for _, p := range c.AllProviders() {
		if !slices.ContainsFunc(c.Keys, func(k KeyEntry) bool { return k.Provider == p.Name }) {
			c.lonely(vars, p)
		}
	}
	return problems
}

// SplitLimited returns the project and the model or family that a name in [LimitsByModel] is of;
// no project: all. What begins with the name of a provider is a model of that, and no project's.
func (c *Config) SplitLimited(name string) (project, model string) {
	project, model = splitProject(name)
	if slices.ContainsFunc(c.AllProviders(), func(p Provider) bool { return p.Name == project }) {
		return "", name
	}
	return project, model
}

// modelOfProvider is what models are called by those who have their own: "gpt-5.1",
// "meta-llama/llama-4-scout", "us.anthropic.claude:0".
var modelOfProvider = regexp.MustCompile(`^[A-Za-z0-9]+(?:[A-Za-z0-9._:@+-]|/[A-Za-z0-9])*$`)

// ProviderModel reports whether a text is the name of another provider's model, with the
// provider's before it: "openai/gpt-5.1".
func ProviderModel(name string) bool {
	provider, model, ok := strings.Cut(name, "/")
	return ok && provider != "models" && len(name) <= 128 && providerName.MatchString(provider) && modelOfProvider.MatchString(model)
}
