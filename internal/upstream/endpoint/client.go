package endpoint

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/internal/upstream/arrival"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
)

// A Format is what an endpoint speaks.
type Format string

// The formats.
const (
	OpenAI    Format = "openai"
	Anthropic Format = "anthropic"
)

// authorization is the header that has a key behind "Bearer ". Others have it as it is.
const authorization = "Authorization"

// anthropicVersion is sent where a request of our own needs one.
// https://docs.claude.com/en/api/versioning
const anthropicVersion = "2023-06-01"

// filesBeta is what a request about files needs.
// https://docs.claude.com/en/docs/build-with-claude/files
const filesBeta = "files-api-2025-04-14"

// Config is what is known of an endpoint. All fields but Transport, Path and Now are required.
type Config struct {
	Name   string // the provider's, as keys carry it
	Format Format
	// BaseURL is as that provider's own clients are told it: with the version for OpenAI's
	// format (https://api.openai.com/v1), without for Anthropic's.
	BaseURL string
	Header  string // in which the key goes
	// Chats is the base URL of an endpoint of its own for chat completions in OpenAI's format,
	// where it speaks another. Empty: there is none.
	Chats string
	// Version is the api-version that Azure's requests name, whose models have paths of their own then. Empty: neither.
	Version string
	// MaxTokens is the member of a chat completion that bounds its output. Default: max_tokens.
	MaxTokens string
	// Transport carries the requests. Default: one that calls no link-local address.
	Transport http.RoundTripper
	// Path is where it is kept how soon requests arrive. Default: that isn't measured.
	Path *arrival.Path
	// Now is the clock for upstream.Sent. Default: time.Now.
	Now func() time.Time
}

// A Client sends requests to one endpoint, each with a key of its own. It is safe for use by
// any number of goroutines, holds no key, and never retries.
type Client struct {
	name   string
	format Format
	base   upstream.Base
	keyed  *upstream.Transport
	// dialect is that of its headers about limits.
	dialect   ratelimits.Dialect
	counting  counting
	maxTokens string
	version   string
	chats     *Client // in OpenAI's format; nil: this one, or none
}

var (
	_ upstream.Provider  = (*Client)(nil)
	_ upstream.Limiter   = (*Client)(nil)
	_ upstream.Generator = (*Client)(nil)
	_ upstream.Bilingual = (*Client)(nil)
	_ upstream.Lister    = (*Client)(nil)
)

// New returns a client. It makes no network calls.
func New(cfg Config) (*Client, error) {
	base, err := upstream.ParseBase(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	if cfg.Transport == nil {
		network := upstream.NewTransport()
		network.DialContext = arrival.Counted(network.DialContext)
		cfg.Transport = network
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	prefix := ""
	if cfg.Header = http.CanonicalHeaderKey(cfg.Header); cfg.Header == authorization {
		prefix = "Bearer "
	}
	put := func(r *http.Request, key string) error {
		r.Header.Set(cfg.Header, prefix+key)
		return nil
	}
	dialect, counts := ratelimits.Named(cfg.Name), countings[cfg.Name]
	if cfg.Format == Anthropic {
		dialect, counts = ratelimits.Anthropic, countings["anthropic"]
	}
	c := &Client{
		name: cfg.Name, format: cfg.Format, base: base, dialect: dialect, counting: counts, maxTokens: cmp.Or(cfg.MaxTokens, "max_tokens"),
		version: cfg.Version,
		keyed:   &upstream.Transport{Name: cfg.Name, Base: cfg.Transport, To: base.URL(), Now: cfg.Now, Put: put, Path: cfg.Path},
	}
	if cfg.Format != OpenAI && cfg.Chats != "" {
		chats := cfg // which wants its key as OpenAI's clients have it
		chats.Format, chats.BaseURL, chats.Header = OpenAI, cfg.Chats, authorization
		if c.chats, err = New(chats); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// InOpenAIFormat implements upstream.Bilingual.
func (c *Client) InOpenAIFormat() upstream.Provider {
	if c.chats != nil {
		return c.chats
	}
	return c
}

// NewRequest implements upstream.Provider.
func (c *Client) NewRequest(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	path, err := c.deployed(ctx, path)
	if err != nil {
		return nil, err
	}
	r, err := c.base.NewRequest(ctx, method, path, body)
	if err == nil && c.format == Anthropic {
		r.Header.Set("Anthropic-Version", anthropicVersion) // unless the caller names another
		if strings.HasPrefix(path, "v1/files") {
			r.Header.Set("Anthropic-Beta", filesBeta) // unless the caller names some
		}
	}
	return r, err
}

// ofDeployments begin the paths that Azure has below deployments/ and the name of one, as OpenAI's SDKs know them.
// https://learn.microsoft.com/azure/ai-services/openai/reference
var ofDeployments = []string{"chat/completions", "completions", "embeddings", "audio/", "images/"}

// deployed returns the path at which a model is asked. It fails where the model's name would lead elsewhere: to another
// path, or to a deployment that is counted by another name.
func (c *Client) deployed(ctx context.Context, path string) (string, error) {
	model := upstream.ModelOf(ctx)
	if c.version == "" || model == "" || !slices.ContainsFunc(ofDeployments, func(begin string) bool { return strings.HasPrefix(path, begin) }) {
		return path, nil
	}
	if !answers.ValidSegment(model) {
		return "", &upstream.Error{Provider: c.name, Class: upstream.ClassModelUnknown, HTTPStatus: http.StatusNotFound,
			Reason: upstream.ReasonModelName, Message: "The model's name is malformed."}
	}
	return "deployments/" + model + "/" + path, nil
}

// versionParameter names the version of an API in a query; a caller's own counts.
const versionParameter = "api-version"

// Do implements upstream.Provider.
func (c *Client) Do(r *http.Request) (*http.Response, error) {
	if c.version != "" {
		if query := r.URL.Query(); !query.Has(versionParameter) {
			query.Set(versionParameter, c.version)
			r.URL.RawQuery = query.Encode()
		}
	}
	return c.keyed.RoundTrip(r)
}

// Meter implements upstream.Provider.
func (c *Client) Meter(path string) *answers.Meter {
	switch {
	case c.format == Anthropic:
		return answers.AnthropicUsage
	case strings.HasPrefix(path, "responses"), strings.HasPrefix(path, "images/"), strings.HasPrefix(path, "audio/"):
		return answers.ResponsesUsage
	}
	return answers.OpenAIUsage
}

// Reserves implements upstream.Provider.
func (c *Client) Reserves(a upstream.Asked) int64 { return c.counting.reserves(a) }

// Weighs implements upstream.Provider.
func (c *Client) Weighs(a upstream.Asked, prompt int64, used answers.Tokens, reserved int64) int64 {
	return c.counting.weighs(a, prompt, used, reserved)
}

// Outputs implements upstream.Limiter.
func (c *Client) Outputs(a upstream.Asked) (tokens int64, apart bool) {
	return c.counting.outputs(a), c.counting.inputAlone
}

// Limits implements upstream.Limiter.
func (c *Client) Limits(h http.Header, now time.Time) []ratelimits.Limit {
	return ratelimits.Read(h, now, c.dialect).Limits
}

// maxModels bounds a list of models, in bytes. OpenRouter's has about a megabyte.
const maxModels = 8 << 20

// ListModels implements upstream.Provider: the first page of them.
func (c *Client) ListModels(ctx context.Context, key string) ([]upstream.Model, error) {
	ctx = upstream.WithKey(ctx, key)
	path := "models"
	if c.format == Anthropic {
		path = "v1/models"
	}
	resp, err := upstream.Get(ctx, c, path)
	if err != nil {
		return nil, upstream.TransportError(ctx, err)
	}
	defer resp.Body.Close()
	text, err := bodies.ReadAnswer(ctx, resp.Body, resp.ContentLength, maxModels)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, c.Classify(resp.StatusCode, text, key)
	}
	if err != nil {
		return nil, upstream.TransportError(ctx, err)
	}
	var list struct {
		Data []struct {
			ID          string `json:"id"`
			DisplayName string `json:"display_name"` // Anthropic's
		} `json:"data"`
	}
	if json.Unmarshal(text, &list) != nil || list.Data == nil {
		return nil, c.Classify(resp.StatusCode, text, key)
	}
	models := make([]upstream.Model, len(list.Data))
	for i, m := range list.Data {
		models[i] = upstream.Model{Name: m.ID, DisplayName: m.DisplayName}
	}
	return models, nil
}

// Lacks implements upstream.Lister. Anthropic's list has pages, and dated names stand for others,
// so of models that aren't on the first it is asked for each. Where models are asked at deployments, the list says
// nothing of these.
func (c *Client) Lacks(ctx context.Context, key string, models []string) (missing []string, _ *upstream.Error) {
	if c.version != "" {
		return nil, nil
	}
	all, err := c.ListModels(ctx, key)
	if err != nil {
		return nil, upstream.TransportError(ctx, err)
	}
	for _, model := range models {
		if slices.ContainsFunc(all, func(m upstream.Model) bool { return m.Name == model }) {
			continue
		}
		if c.format == Anthropic {
			if _, err := upstream.Read(upstream.WithKey(ctx, key), c, "v1/models/"+model, key, maxModels); err == nil {
				continue
			} else if e := upstream.TransportError(ctx, err); e.Class != upstream.ClassModelUnknown {
				return nil, e
			}
		}
		missing = append(missing, model)
	}
	return missing, nil
}
