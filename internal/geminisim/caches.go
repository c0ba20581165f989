package geminisim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

const (
	cacheLifetime   = time.Hour // unless the request says otherwise
	minCachedTokens = 1024
)

// cachedContent is a part of a prompt that was sent in advance.
type cachedContent struct {
	owned
	model        string // as the request named it
	resolved     string
	displayName  string
	tokens       int64
	declarations []wire.FunctionDeclared
}

// cacheRequest is the body of a create or patch request.
type cacheRequest struct {
	wire.GenerateRequest
	Model        string  `json:"model"`
	DisplayName  string  `json:"displayName"`
	DisplayNameS string  `json:"display_name"`
	TTL          *string `json:"ttl"`
	ExpireTime   *string `json:"expireTime"`
	ExpireTimeS  *string `json:"expire_time"`
}

// cacheView is a cached content as the API shows it: without the content.
type cacheView struct {
	Name          string     `json:"name"`
	Model         string     `json:"model"`
	DisplayName   string     `json:"displayName,omitempty"`
	CreateTime    string     `json:"createTime"`
	UpdateTime    string     `json:"updateTime"`
	ExpireTime    string     `json:"expireTime"`
	UsageMetadata cacheUsage `json:"usageMetadata"`
}

type cacheUsage struct {
	TotalTokenCount int64 `json:"totalTokenCount"`
}

// view wants s.mu held: a patch changes the times.
func (k *cachedContent) view() cacheView {
	return cacheView{
		Name:          "cachedContents/" + k.id,
		Model:         "models/" + k.model,
		DisplayName:   k.displayName,
		CreateTime:    wire.Timestamp(k.created),
		UpdateTime:    wire.Timestamp(k.updated),
		ExpireTime:    wire.Timestamp(k.expires),
		UsageMetadata: cacheUsage{k.tokens},
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

func (c *call) createCache() *wire.Error {
	var req cacheRequest
	if err := wire.Decode(c.body, &req); err != nil {
		return err
	}
	name := strings.TrimPrefix(req.Model, "models/")
	if name == "" {
		return wire.InvalidArgument("* CreateCachedContentRequest.cached_content.model: model is not specified\n")
	}
	m, err := c.modelFor(name, "createCachedContent")
	if err != nil {
		return err
	}
	if err := req.Normalise(); err != nil {
		return err
	}
	if err := c.resolveFiles(&req.GenerateRequest); err != nil {
		return err
	}
	tokens := req.Tokens()
	if tokens < minCachedTokens {
		return wire.InvalidArgument(fmt.Sprintf("Cached content is too small. total_token_count=%d, min_total_token_count=%d", tokens, minCachedTokens))
	}
	if tokens > m.Input {
		return models.TooManyTokens()
	}
	expires, err := req.expiry(c.arrived)
	if err != nil {
		return err
	}
	if expires.IsZero() {
		expires = c.arrived.Add(cacheLifetime)
	}
	k := &cachedContent{model: m.Name, resolved: m.Resolved, displayName: req.DisplayName + req.DisplayNameS,
		tokens: tokens, declarations: req.Declarations,
		owned: owned{project: c.who.Project, created: c.arrived, updated: c.arrived, expires: expires}}
	c.s.mu.Lock()
	for k.id == "" || !c.s.caches.put(k, c.arrived) {
		k.id = c.s.random.id(24)
	}
	view := k.view()
	c.s.mu.Unlock()
	c.writeJSON(http.StatusOK, wire.Encode(view))
	return nil
}

// withCache runs an operation on the cached content of the path, holding s.mu,
// and answers with what it returns.
func (c *call) withCache(do func(k *cachedContent) any) *wire.Error {
	c.s.mu.Lock()
	k, ok := c.s.caches.get(c.id, c.who.Project, c.arrived)
	var answer any
	if ok {
		answer = do(k)
	}
	c.s.mu.Unlock()
	if !ok {
		return errCache()
	}
	c.writeJSON(http.StatusOK, wire.Encode(answer))
	return nil
}

func (c *call) getCache() *wire.Error {
	return c.withCache(func(k *cachedContent) any { return k.view() })
}

func (c *call) deleteCache() *wire.Error {
	return c.withCache(func(k *cachedContent) any {
		delete(c.s.caches.items, k.id)
		return struct{}{}
	})
}

// patchCache changes the expiration, the only thing that can be changed.
func (c *call) patchCache() *wire.Error {
	var req cacheRequest
	if err := wire.Decode(c.body, &req); err != nil {
		return err
	}
	expires, err := req.expiry(c.arrived)
	if err != nil {
		return err
	}
	if expires.IsZero() {
		return wire.InvalidArgument("Only the expiration of a CachedContent can be updated: set ttl or expire_time.")
	}
	return c.withCache(func(k *cachedContent) any {
		k.expires, k.updated = expires, c.arrived
		return k.view()
	})
}

func (c *call) listCaches() *wire.Error {
	before, size, err := c.paging(50, 1000)
	if err != nil {
		return err
	}
	page := struct {
		CachedContents []cacheView `json:"cachedContents,omitempty"`
		NextPageToken  string      `json:"nextPageToken,omitempty"`
	}{}
	c.s.mu.Lock()
	list, more := c.s.caches.page(c.who.Project, c.arrived, before, size)
	for _, k := range list {
		page.CachedContents = append(page.CachedContents, k.view())
	}
	c.s.mu.Unlock()
	page.NextPageToken = c.pageToken(more)
	c.writeJSON(http.StatusOK, wire.Encode(page))
	return nil
}

// resolveCache looks up the cached content that a request names, and takes its
// tokens and its functions over.
func (c *call) resolveCache(req *wire.GenerateRequest, m *models.Model) *wire.Error {
	if req.CachedContent == "" {
		return nil
	}
	c.s.mu.Lock()
	k, ok := c.s.caches.get(strings.TrimPrefix(req.CachedContent, "cachedContents/"), c.who.Project, c.arrived)
	c.s.mu.Unlock()
	switch {
	case !ok:
		return errCache()
	case k.resolved != m.Resolved:
		return wire.InvalidArgument(fmt.Sprintf(
			"Model used by GenerateContent request (models/%s) and CachedContent (models/%s) has to be the same.", m.Name, k.model))
	case req.SystemInstruction != nil || req.Tools != nil || req.ToolConfig != nil:
		return wire.InvalidArgument("CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config.\n\nProposed fix: move those values to CachedContent from GenerateContent request.")
	}
	c.cached = k.tokens
	req.Declarations = k.declarations
	return nil
}
