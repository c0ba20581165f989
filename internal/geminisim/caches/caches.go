package caches

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/exchange"
	"fluxgate.dev/fluxgate/internal/geminisim/files"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/resources"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

const (
	cacheLifetime   = time.Hour // unless the request says otherwise
	minCachedTokens = 1024
)

// Config is what a service of cached contents has of the rest of the server.
type Config struct {
	// NewID returns an ID of so many digits.
	NewID  func(length int) string
	Models *models.Catalogue
	Files  *files.Service
}

// A Service is the cached contents of all projects. It is safe for concurrent use.
type Service struct {
	cfg Config

	mu     sync.Mutex
	caches resources.Store[*cachedContent]
}

// New returns a service without cached contents.
func New(cfg Config) *Service {
	return &Service{cfg: cfg, caches: resources.NewStore[*cachedContent]()}
}

// A cachedContent is a part of a prompt that was sent in advance.
type cachedContent struct {
	resources.Owned
	model        string // as the request named it
	resolved     string
	displayName  string
	tokens       int64
	declarations []wire.FunctionDeclared
}

// A cacheRequest is the body of a create or patch request.
type cacheRequest struct {
	wire.GenerateRequest
	Model        string  `json:"model"`
	DisplayName  string  `json:"displayName"`
	DisplayNameS string  `json:"display_name"`
	TTL          *string `json:"ttl"`
	ExpireTime   *string `json:"expireTime"`
	ExpireTimeS  *string `json:"expire_time"`
}

// A View is a cached content as the API shows it: without the content.
type View struct {
	Name          string `json:"name"`
	Model         string `json:"model"`
	DisplayName   string `json:"displayName,omitempty"`
	CreateTime    string `json:"createTime"`
	UpdateTime    string `json:"updateTime"`
	ExpireTime    string `json:"expireTime"`
	UsageMetadata Usage  `json:"usageMetadata"`
}

// Usage is how much a cached content holds.
type Usage struct {
	TotalTokenCount int64 `json:"totalTokenCount"`
}

// view wants the service's mu held: a patch changes the times.
func (k *cachedContent) view() View {
	return View{
		Name:          "cachedContents/" + k.ID,
		Model:         "models/" + k.model,
		DisplayName:   k.displayName,
		CreateTime:    wire.Timestamp(k.Created),
		UpdateTime:    wire.Timestamp(k.Updated),
		ExpireTime:    wire.Timestamp(k.Expires),
		UsageMetadata: Usage{k.tokens},
	}
}

// errCache doesn't tell another project's cached content from one that isn't
// there.
func errCache() *wire.Error {
	return wire.PermissionDenied("CachedContent not found (or permission denied)")
}

// expiry returns the instant that the request names, or zero if it names none.
func (r *cacheRequest) expiry(now time.Time) (time.Time, *wire.Error) {
	at := wire.First(r.ExpireTime, r.ExpireTimeS)
	var expires time.Time
	switch {
	case r.TTL != nil && at != nil:
		return time.Time{}, wire.InvalidArgument("Only one of ttl and expire_time may be set.")
	case r.TTL != nil:
		number, ok := strings.CutSuffix(*r.TTL, "s")
		seconds, err := strconv.ParseFloat(number, 64)
		if !ok || err != nil || !(seconds > 0 && seconds < 1e9) { // nor is NaN
			return time.Time{}, wire.InvalidArgument("Invalid value at 'cached_content.ttl' (type.googleapis.com/google.protobuf.Duration)")
		}
		expires = now.Add(time.Duration(seconds * float64(time.Second)))
	case at != nil:
		var err error
		if expires, err = time.Parse(time.RFC3339, *at); err != nil {
			return time.Time{}, wire.InvalidArgument("Invalid value at 'cached_content.expire_time' (type.googleapis.com/google.protobuf.Timestamp)")
		}
	default:
		return time.Time{}, nil
	}
	if !expires.After(now) {
		return time.Time{}, wire.InvalidArgument("The expiration of a CachedContent must be in the future.")
	}
	return expires, nil
}

// Create serves POST cachedContents.
func (s *Service) Create(x *exchange.Exchange, version string) *wire.Error {
	var req cacheRequest
	if err := wire.Decode(x.Body, &req); err != nil {
		return err
	}
	name := strings.TrimPrefix(req.Model, "models/")
	if name == "" {
		return wire.InvalidArgument("* CreateCachedContentRequest.cached_content.model: model is not specified\n")
	}
	m, err := s.cfg.Models.Usable(version, x.Project, name, "createCachedContent")
	if err != nil {
		return err
	}
	if err := req.Normalise(); err != nil {
		return err
	}
	if err := s.cfg.Files.Resolve(&req.GenerateRequest, x.Project, x.Arrived); err != nil {
		return err
	}
	tokens := req.Tokens()
	if tokens < minCachedTokens {
		return wire.InvalidArgument(fmt.Sprintf("Cached content is too small. total_token_count=%d, min_total_token_count=%d", tokens, minCachedTokens))
	}
	if tokens > m.Input {
		return models.TooManyTokens()
	}
	expires, err := req.expiry(x.Arrived)
	if err != nil {
		return err
	}
	if expires.IsZero() {
		expires = x.Arrived.Add(cacheLifetime)
	}
	k := &cachedContent{model: m.Name, resolved: m.Resolved, displayName: req.DisplayName + req.DisplayNameS,
		tokens: tokens, declarations: req.Declarations,
		Owned: resources.Owned{Project: x.Project, Created: x.Arrived, Updated: x.Arrived, Expires: expires}}
	s.mu.Lock()
	for k.ID == "" || !s.caches.Put(k, x.Arrived) {
		k.ID = s.cfg.NewID(24)
	}
	view := k.view()
	s.mu.Unlock()
	x.WriteJSON(http.StatusOK, wire.Encode(view))
	return nil
}

// withCache runs an operation on the cached content of the path, holding s.mu,
// and answers with what it returns.
func (s *Service) withCache(x *exchange.Exchange, id string, do func(k *cachedContent) any) *wire.Error {
	s.mu.Lock()
	k, ok := s.caches.Get(id, x.Project, x.Arrived)
	var answer any
	if ok {
		answer = do(k)
	}
	s.mu.Unlock()
	if !ok {
		return errCache()
	}
	x.WriteJSON(http.StatusOK, wire.Encode(answer))
	return nil
}

// Get serves GET cachedContents/{id}.
func (s *Service) Get(x *exchange.Exchange, id string) *wire.Error {
	return s.withCache(x, id, func(k *cachedContent) any { return k.view() })
}

// Delete serves DELETE cachedContents/{id}.
func (s *Service) Delete(x *exchange.Exchange, id string) *wire.Error {
	return s.withCache(x, id, func(k *cachedContent) any {
		s.caches.Drop(k.ID)
		return struct{}{}
	})
}

// Patch serves PATCH cachedContents/{id}. It changes the expiration, the only thing that can be changed.
func (s *Service) Patch(x *exchange.Exchange, id string) *wire.Error {
	var req cacheRequest
	if err := wire.Decode(x.Body, &req); err != nil {
		return err
	}
	expires, err := req.expiry(x.Arrived)
	if err != nil {
		return err
	}
	if expires.IsZero() {
		return wire.InvalidArgument("Only the expiration of a CachedContent can be updated: set ttl or expire_time.")
	}
	return s.withCache(x, id, func(k *cachedContent) any {
		k.Expires, k.Updated = expires, x.Arrived
		return k.view()
	})
}

// List serves GET cachedContents.
func (s *Service) List(x *exchange.Exchange) *wire.Error {
	before, size, err := resources.Paging(x.R.URL.Query(), x.Project, 50, 1000)
	if err != nil {
		return err
	}
	page := struct {
		CachedContents []View `json:"cachedContents,omitempty"`
		NextPageToken  string `json:"nextPageToken,omitempty"`
	}{}
	s.mu.Lock()
	list, more := s.caches.Page(x.Project, x.Arrived, before, size)
	for _, k := range list {
		page.CachedContents = append(page.CachedContents, k.view())
	}
	s.mu.Unlock()
	page.NextPageToken = resources.PageToken(x.Project, more)
	x.WriteJSON(http.StatusOK, wire.Encode(page))
	return nil
}

// Resolve looks up the cached content that a project's request names, takes its
// functions over, and returns its tokens.
func (s *Service) Resolve(req *wire.GenerateRequest, m *models.Model, project string, at time.Time) (tokens int64, refused *wire.Error) {
	if req.CachedContent == "" {
		return 0, nil
	}
	s.mu.Lock()
	k, ok := s.caches.Get(strings.TrimPrefix(req.CachedContent, "cachedContents/"), project, at)
	s.mu.Unlock()
	switch {
	case !ok:
		return 0, errCache()
	case k.resolved != m.Resolved:
		return 0, wire.InvalidArgument(fmt.Sprintf(
			"Model used by GenerateContent request (models/%s) and CachedContent (models/%s) has to be the same.", m.Name, k.model))
	case req.SystemInstruction != nil || req.Tools != nil || req.ToolConfig != nil:
		return 0, wire.InvalidArgument("CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config.\n\nProposed fix: move those values to CachedContent from GenerateContent request.")
	}
	req.Declarations = k.declarations
	return k.tokens, nil
}
