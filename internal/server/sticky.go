package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"fluxgate.dev/fluxgate/internal/gemini"
	"fluxgate.dev/fluxgate/internal/keys"
)

// Files and cached contents belong to the project that made them: only its keys
// can read them. Whoever made one through this instance is remembered; any other
// owner is found by asking the projects.

// maxOwners bounds how many owners are remembered.
const maxOwners = 10_000

// owners narrows the pool to the project that owns what the request mentions.
func (s *Server) owners(ctx context.Context, p *pool, resources []string) (*pool, error) {
	project := ""
	lookups := 0
	for _, name := range resources {
		owner, known := s.resources.get(name)
		if !known || !p.has(owner) {
			if lookups++; lookups > maxLookedUp && project != "" {
				continue // upstream knows whether it is there too
			}
			var err error
			if owner, err = s.find(ctx, p, name, project); err != nil {
				return nil, err
			}
		}
		if project != "" && owner != project {
			return nil, invalid("body", "it mentions files or cached contents of two projects, which no key can read together. Have them in one project: the first upload decides, if later ones wait for its answer.")
		}
		project = owner
	}
	if project == "" {
		return p, nil
	}
	return p.only(project), nil
}

// maxLookedUp bounds for how many resources of one request the owner is looked
// up: a request may mention thousands of files.
const maxLookedUp = 32

// owner returns the project that owns a resource.
func (s *Server) owner(ctx context.Context, p *pool, name string) (string, error) {
	if project, ok := s.resources.get(name); ok && p.has(project) {
		return project, nil
	}
	return s.find(ctx, p, name, "")
}

// maxAsked bounds how many projects are asked at a time.
const maxAsked = 8

// find asks the projects for a resource, the likely one first.
func (s *Server) find(ctx context.Context, p *pool, name, likely string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	if likely != "" {
		if project, _, err := s.search(ctx, p.only(likely), name); project != "" || err != nil {
			return project, err
		}
	}
	project, sure, err := s.search(ctx, p, name)
	switch {
	case err != nil:
		return "", err
	case project != "":
		return project, nil
	case !sure:
		return "", &problem{code: unavailable, public: "Not every project could be asked for " + name + ", and none of the others owns it. Please retry."}
	}
	return "", &problem{code: notFound, public: "No usable project owns " + name + ", or it has expired."}
}

// search returns the project of the pool that owns a resource, or "" and whether
// all of them said so.
func (s *Server) search(ctx context.Context, p *pool, name string) (project string, sure bool, err error) {
	states, err := s.gate.Store().View(ctx, p.ids())
	if err != nil {
		return "", false, err
	}
	asking, found := context.WithCancel(ctx)
	defer found()
	var wg sync.WaitGroup
	var mu sync.Mutex
	sure = true
	places := make(chan struct{}, maxAsked)
	for i, candidate := range p.projects {
		key, err := p.pick(candidate.ID, states[i], 0)
		if err != nil {
			continue
		}
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			owns, ok := s.owns(asking, key, name)
			mu.Lock()
			defer mu.Unlock()
			if owns {
				project = candidate.ID
				found() // nobody else can own it
			}
			sure = sure && ok
		})
	}
	wg.Wait()
	if project == "" {
		return "", sure, context.Cause(ctx)
	}
	s.resources.put(name, project)
	return project, true, nil
}

// owns asks with a key whether its project owns a resource, and says whether it
// got to know.
func (s *Server) owns(ctx context.Context, key keys.Key, name string) (owns, known bool) {
	resp, err := s.get(gemini.WithKey(ctx, key.Value.Reveal()), upstreamVersion+"/"+name)
	if err != nil {
		return false, false
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return true, true
	case http.StatusForbidden, http.StatusNotFound:
		return false, true // upstream doesn't tell these two apart
	}
	return false, false
}

// resource serves GET, PATCH and DELETE of one file or cached content.
func (s *Server) resource(kind string) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id := r.PathValue("id")
		if !validResource(id) {
			return errNoRoute
		}
		name := kind + "/" + id
		body, err := s.readBody(w, r)
		if err != nil {
			return err
		}
		p, err := s.readKeys(r.Context())
		if err != nil {
			return err
		}
		owner, err := s.owner(r.Context(), p, name)
		if err != nil {
			return err
		}
		x := &relay{s: s, w: w, r: r, body: body,
			path:    func(string) string { return upstreamVersion + "/" + name },
			payload: func(string) ([]byte, error) { return body, nil }}
		return x.passOn(r.Context(), p.only(owner), "", r.Method != http.MethodDelete)
	}
}

// createCache serves POST /v1beta/cachedContents: in the project of the files
// that it mentions, else in any.
func (s *Server) createCache(w http.ResponseWriter, r *http.Request) error {
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	said, err := readMentions(body)
	if err != nil {
		return invalid("body", "want one JSON object.")
	}
	p, err := s.readKeys(r.Context())
	if err != nil {
		return err
	}
	if p, err = s.owners(r.Context(), p, said.resources); err != nil {
		return err
	}
	x := &relay{s: s, w: w, r: r, body: body,
		path:    func(string) string { return upstreamVersion + "/cachedContents" },
		payload: func(string) ([]byte, error) { return body, nil }}
	x.ended = func(end []byte) { s.remember(end, x.project) }
	// One that was made twice would be paid for twice.
	return x.passOn(r.Context(), p, "", false)
}

// remember notes who owns the resource that an answer names.
func (s *Server) remember(answer []byte, project string) {
	var made struct {
		Name string `json:"name"`
		File struct {
			Name string `json:"name"`
		} `json:"file"`
	}
	if json.Unmarshal(answer, &made) != nil {
		return
	}
	for _, name := range []string{made.Name, made.File.Name} {
		if resourceName(name) == name && name != "" {
			s.resources.put(name, project)
		}
	}
}

// listResources serves GET of a whole kind: one project after another, each with
// its own pages. The page token says where to go on.
func (s *Server) listResources(kind string) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		p, err := s.readKeys(r.Context())
		if err != nil {
			return err
		}
		query := r.URL.Query()
		at, token, err := parsePage(query, len(p.projects))
		if err != nil {
			return err
		}
		for ; ; at, token = at+1, "" {
			page, header, err := s.page(r, p.only(p.projects[at].ID), kind, token)
			last := at+1 == len(p.projects)
			var none *problem
			switch {
			case errors.As(err, &none) && none.code == noUsableKey && !last:
				continue // the others' are still to be seen
			case err != nil:
				return err
			}
			// Clients take an empty page for the end, so they don't get one unless
			// it is.
			own, empty := pageOf(page, kind)
			if empty && own == "" && !last {
				continue
			}
			passHeaders(w.Header(), header, responseHeaders)
			_, _ = w.Write(nextPage(page, own, at, len(p.projects))) // the caller may have left
			return nil
		}
	}
}

// parsePage reads where a list goes on: the index of a project and its own page
// token.
func parsePage(query url.Values, projects int) (at int, token string, err error) {
	text := query.Get("pageToken") + query.Get("page_token")
	if text == "" {
		return 0, "", nil
	}
	index, token, ok := strings.Cut(text, ".")
	if at, err = strconv.Atoi(index); err != nil || !ok || at < 0 || at >= projects {
		return 0, "", invalid("pageToken", "it is not one of this server's.")
	}
	return at, token, nil
}

// page reads a page of one project's list.
func (s *Server) page(r *http.Request, p *pool, kind, token string) (page []byte, header http.Header, err error) {
	query := r.URL.Query()
	query.Del("pageToken")
	query.Del("page_token")
	if token != "" {
		query.Set("pageToken", token)
	}
	asked := r.Clone(r.Context())
	asked.URL.RawQuery = query.Encode()
	err = s.withAnyKey(r.Context(), p, true, func(ctx context.Context, to slot) *gemini.Error {
		var failure *gemini.Error
		page, header, failure = s.list(ctx, asked, to, upstreamVersion+"/"+kind)
		return failure
	})
	return page, header, err
}

// pageOf returns the token of a project's next page, and whether the page has
// nothing on it.
func pageOf(page []byte, kind string) (token string, empty bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(page, &fields) != nil {
		return "", false
	}
	var list []json.RawMessage
	_ = json.Unmarshal(fields["nextPageToken"], &token) // none is none
	return token, json.Unmarshal(fields[kind], &list) != nil || len(list) == 0
}

// nextPage makes the token of a project's next page one of the pool's.
func nextPage(page []byte, token string, at, projects int) []byte {
	switch {
	case token != "":
		token = fmt.Sprintf("%d.%s", at, token)
	case at+1 < projects:
		token = fmt.Sprintf("%d.", at+1)
	default:
		return page
	}
	var fields map[string]json.RawMessage
	raw, err := json.Marshal(token)
	if err != nil || json.Unmarshal(page, &fields) != nil || fields == nil {
		return page
	}
	fields["nextPageToken"] = raw
	out, err := json.Marshal(fields)
	if err != nil {
		return page
	}
	return out
}
