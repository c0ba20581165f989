package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/resources"
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
		texts, err := s.others.Look(r, p, some, dispatch.PathOf)
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
				if m.Collection() == "batches" {
					s.jobs.Saw(r.Context(), answers.Inlined, some[i].Project, some[i].Name, text)
				}
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
