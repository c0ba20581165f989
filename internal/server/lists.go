package server

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// listResources serves GET of a whole kind: one project after another, each with
// its own pages. The page token says where to go on.
//
// Clients take an empty page for the end or, as Google's SDKs for Python and
// JavaScript do, fail at one that a token has led them to. So there is no empty page
// but the first of an empty list, and no token unless something follows.
func (s *Server) listResources(w http.ResponseWriter, r *http.Request, m match) error {
	who := s.who(r)
	if m.Others {
		return s.listKept(w, r, m, who)
	}
	p, err := s.dispatch.PoolOf(r.Context(), upstream.Gemini)
	if err != nil {
		return err
	}
	if s.dispatch.Confines(who) {
		return s.listOwn(w, r, p, m, who)
	}
	at, token, err := parsePage(r.URL.Query(), len(p.Projects))
	if err != nil {
		return err
	}
	list := &list{s: s, r: r, pool: p, match: m}
	page, err := list.from(at, token)
	if err != nil {
		return err
	}
	text, next := page.text, ""
	if !page.empty {
		next = list.after(page)
	}
	if next != "" || page.next != "" {
		text = answers.SetNextPage(text, next)
	}
	exchange.PassText(w, http.StatusOK, page.header, text)
	return nil
}

// A list is one of all projects, for a request.
type list struct {
	s    *Server
	r    *http.Request
	pool *dispatch.Pool
	match
}

// A listPage is one of a project's pages.
type listPage struct {
	text   []byte
	header http.Header
	at     int    // index of the project
	asked  string // the project's token for this page
	next   string // and for the next one
	empty  bool
}

const (
	// maxEmptyPages bounds how many empty pages of one project are passed over that
	// say that more follows.
	maxEmptyPages = 16
	// maxListed bounds how many projects are asked at a time.
	maxListed = 8
)

// from returns the first page that has something on it, from a project's page on, or
// else an empty one. A project without a usable key is passed over if there is
// another: the others' are still to be seen.
func (l *list) from(at int, token string) (listPage, error) {
	got, err := l.page(at, token)
	if !dispatch.Keyless(err) && (err != nil || !got.empty) {
		return got, err
	}
	found, otherErr := l.search(at + 1)
	switch {
	case dispatch.Keyless(otherErr):
		return got, err // there is nobody else
	case otherErr != nil:
		return found, otherErr
	case found.empty && err == nil:
		return got, nil
	}
	return found, nil
}

// after returns the token of the page that follows a page, "" if none does. Of its
// own project's pages upstream says so; other projects are looked at. Where they
// can't be, the caller is to hear of it when it goes on, rather than to take the
// list for whole.
func (l *list) after(p listPage) string {
	if p.next != "" {
		return fmt.Sprintf("%d.%s", p.at, p.next)
	}
	follows, err := l.search(p.at + 1)
	switch {
	case dispatch.Keyless(err), err == nil && follows.empty:
		return ""
	case err != nil:
		return fmt.Sprintf("%d.", p.at+1)
	}
	return fmt.Sprintf("%d.%s", follows.at, follows.asked)
}

// search is from for the first pages of the projects from one on, several at a time.
// It fails where nobody has a usable key.
func (l *list) search(at int) (found listPage, err error) {
	found, err = listPage{empty: true}, dispatch.ErrKeyless
	for ; at < len(l.pool.Projects); at += maxListed {
		n := min(maxListed, len(l.pool.Projects)-at)
		pages, errs := make([]listPage, n), make([]error, n)
		var asked sync.WaitGroup
		for i := range n {
			asked.Go(func() { pages[i], errs[i] = l.page(at+i, "") })
		}
		asked.Wait()
		for i := range n {
			switch {
			case dispatch.Keyless(errs[i]):
			case errs[i] != nil || !pages[i].empty:
				return pages[i], errs[i]
			default:
				found, err = pages[i], nil
			}
		}
	}
	return found, err
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
		return 0, "", errPageToken
	}
	return at, token, nil
}

var errPageToken = apierror.Invalid("pageToken", "it is not one of this server's. Leave it out to begin the list anew.")

// page reads a page of one project's list, the first from a token on that has
// something on it, or else the last.
func (l *list) page(at int, token string) (got listPage, err error) {
	p := l.pool.Only(l.pool.Projects[at].ID)
	for range maxEmptyPages {
		asked := passing.WithQuery(l.r, func(query url.Values) {
			query.Del("pageToken")
			query.Del("page_token")
			if token != "" {
				query.Set("pageToken", token)
			}
		})
		got = listPage{at: at, asked: token}
		err = l.s.dispatch.Free(l.r.Context(), p, true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
			var failure *upstream.Error
			got.text, got.header, failure = exchange.List(ctx, asked, to, l.path(""))
			return failure
		})
		if err != nil {
			return got, err
		}
		if got.next, got.empty = answers.NextPage(got.text, l.Lists); !got.empty || got.next == "" {
			return got, nil
		}
		token = got.next
	}
	return got, nil
}
