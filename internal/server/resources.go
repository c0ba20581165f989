package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// Files and cached contents belong to the project that made them: only its keys
// can read them.

// resource serves GET, PATCH and DELETE of one file or cached content.
func (s *Server) resource(kind string) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id := r.PathValue("id")
		if !payload.ValidResource(id) {
			return errNoRoute
		}
		name := kind + "/" + id
		body, err := s.readBody(w, r)
		if err != nil {
			return err
		}
		p, err := s.dispatch.Pool(r.Context())
		if err != nil {
			return err
		}
		owner, err := s.dispatch.Owner(r.Context(), p, name)
		if err != nil {
			return err
		}
		x := &relay{s: s, w: w, r: r, body: body,
			path:    func(string) string { return upstreamVersion + "/" + name },
			payload: func(string) ([]byte, error) { return body, nil }}
		return x.passFree(r.Context(), p.Only(owner), "", r.Method != http.MethodDelete)
	}
}

// createCache serves POST /v1beta/cachedContents: in the project of the files
// that it mentions, else in any.
func (s *Server) createCache(w http.ResponseWriter, r *http.Request) error {
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	read, err := payload.Read(body)
	if err != nil {
		return err
	}
	p, err := s.dispatch.Pool(r.Context())
	if err != nil {
		return err
	}
	if p, err = s.dispatch.Owners(r.Context(), p, read.References.Resources); err != nil {
		return err
	}
	x := &relay{s: s, w: w, r: r, body: body,
		path:    func(string) string { return upstreamVersion + "/cachedContents" },
		payload: func(string) ([]byte, error) { return body, nil }}
	x.ended = func(end []byte) { s.dispatch.Remember(end, x.project) }
	// One that was made twice would be paid for twice.
	return x.passFree(r.Context(), p, "", false)
}

// listResources serves GET of a whole kind: one project after another, each with
// its own pages. The page token says where to go on.
func (s *Server) listResources(kind string) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		p, err := s.dispatch.Pool(r.Context())
		if err != nil {
			return err
		}
		query := r.URL.Query()
		at, token, err := parsePage(query, len(p.Projects))
		if err != nil {
			return err
		}
		for ; ; at, token = at+1, "" {
			page, header, err := s.page(r, p.Only(p.Projects[at].ID), kind, token)
			last := at+1 == len(p.Projects)
			var none *apierror.Problem
			switch {
			case errors.As(err, &none) && none.Code == apierror.NoUsableKey && !last:
				continue // the others' are still to be seen
			case err != nil:
				return err
			}
			// Clients take an empty page for the end, so they don't get one unless
			// it is.
			own, empty := payload.NextPage(page, kind)
			if empty && own == "" && !last {
				continue
			}
			passHeaders(w.Header(), header, responseHeaders)
			if next := nextPage(own, at, len(p.Projects)); next != "" {
				page = payload.SetNextPage(page, next)
			}
			_, _ = w.Write(page) // the caller may have left
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
		return 0, "", apierror.Invalid("pageToken", "it is not one of this server's.")
	}
	return at, token, nil
}

// page reads a page of one project's list.
func (s *Server) page(r *http.Request, p *dispatch.Pool, kind, token string) (page []byte, header http.Header, err error) {
	query := r.URL.Query()
	query.Del("pageToken")
	query.Del("page_token")
	if token != "" {
		query.Set("pageToken", token)
	}
	asked := r.Clone(r.Context())
	asked.URL.RawQuery = query.Encode()
	err = s.dispatch.Free(r.Context(), p, true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
		var failure *upstream.Error
		page, header, failure = s.list(ctx, asked, to, upstreamVersion+"/"+kind)
		return failure
	})
	return page, header, err
}

// nextPage makes the token of a project's next page one of the pool's; "" if there
// is none.
func nextPage(token string, at, projects int) string {
	switch {
	case token != "":
		return fmt.Sprintf("%d.%s", at, token)
	case at+1 < projects:
		return fmt.Sprintf("%d.", at+1)
	}
	return ""
}
