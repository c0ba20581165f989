package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// The list of what a caller has is put together from what is known to be its own, each
// asked for by itself: upstream would list everybody's, a page of which may hold nothing
// that is the caller's, nor may the next hundred.

const (
	// usualPage is how many are on a page where the caller doesn't say, as with Google's
	// list of files.
	usualPage = 10
	// maxOwnPage is how many are on one at most.
	maxOwnPage = 100
)

// listOwn serves the list of what a caller has of a kind. As with any list there is no empty page but the first of an empty list, and no token unless
// something follows.
func (s *Server) listOwn(w http.ResponseWriter, r *http.Request, p *dispatch.Pool, m match, who resources.Caller) error {
	own, err := s.dispatch.Own(r.Context(), who, m.Collection())
	if err != nil {
		return err
	}
	query := r.URL.Query()
	size, err := pageSize(query.Get("pageSize") + query.Get("page_size"))
	if err != nil {
		return err
	}
	if token := query.Get("pageToken") + query.Get("page_token"); token != "" {
		last, ok := resources.ParsePlace(token)
		if !ok {
			return errPageToken
		}
		own = slices.DeleteFunc(own, func(x resources.Resource) bool { return x.Compare(last) <= 0 })
	}
	page := make(map[string]any)
	var items []json.RawMessage
	var last resources.Resource
	for len(own) > 0 && len(items) <= size {
		some := own[:min(len(own), maxListed, size+1-len(items))]
		own = own[len(some):]
		texts, err := s.look(r, p, some, m.Base)
		if err != nil {
			return err
		}
		for i, text := range texts {
			switch {
			case text == nil: // it is gone
			case len(items) == size: // it is only to be known that something follows
				page[answers.NextPageToken] = last.Place()
				items = append(items, nil)
			default:
				items, last = append(items, text), some[i]
			}
		}
	}
	if len(items) > 0 {
		page[m.Lists] = items[:min(size, len(items))]
	}
	apierror.WriteJSON(w, http.StatusOK, page)
	return nil
}

// look reads resources below a base, all at once: nil where one isn't there any more.
func (s *Server) look(r *http.Request, p *dispatch.Pool, list []resources.Resource, base routes.Base) ([]json.RawMessage, error) {
	texts, errs := make([]json.RawMessage, len(list)), make([]error, len(list))
	asked := passing.WithQuery(r, func(query url.Values) { clear(query) })
	var asking sync.WaitGroup
	for i, x := range list {
		if !p.Has(x.Project) {
			continue
		}
		asking.Go(func() {
			errs[i] = s.dispatch.Free(r.Context(), p.Only(x.Project), true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
				text, _, failure := exchange.List(ctx, asked, to, base.Upstream()+x.Name)
				if failure == nil && json.Valid(text) {
					texts[i] = text
				}
				return failure
			})
		})
	}
	asking.Wait()
	for _, err := range errs {
		if err != nil && !notThere(err) && !keyless(err) {
			return nil, err
		}
	}
	return texts, nil
}

// notThere reports whether upstream says that a resource isn't there, or, which it
// doesn't tell apart, is another project's.
func notThere(err error) bool {
	var failure *upstream.Error
	if !errors.As(err, &failure) {
		return false
	}
	forbidden := failure.HTTPStatus == http.StatusForbidden && (failure.Class == upstream.ClassCaller || failure.Class == upstream.ClassDenied)
	return failure.HTTPStatus == http.StatusNotFound || forbidden
}

// pageSize reads how many are wanted on a page.
func pageSize(text string) (int, error) {
	if text == "" {
		return usualPage, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil, n < 0:
		return 0, apierror.Invalid("pageSize", "want a whole number from 0.")
	case n == 0:
		return usualPage, nil
	}
	return min(n, maxOwnPage), nil
}
