package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/openailist"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// listOpenAI serves a list to OpenAI's clients, in their format: of what the caller has, or
// of what all projects have, the newest first.
func (s *Server) listOpenAI(w http.ResponseWriter, r *http.Request, p *dispatch.Pool, m match, who resources.Caller) error {
	asked, err := openailist.Read(r.URL.Query())
	if err != nil {
		return err
	}
	read := s.entriesOfAll
	if s.dispatch.Confines(who) {
		read = s.entriesOfOne
	}
	entries, err := read(r, p, m, asked)
	if err != nil {
		return err
	}
	apierror.WriteJSON(w, http.StatusOK, openailist.PageOf(entries, asked.Limit))
	return nil
}

// entriesOfOne reads what the caller has, one more than is asked for if there is.
func (s *Server) entriesOfOne(r *http.Request, p *dispatch.Pool, m match, asked openailist.Asked) (entries []json.RawMessage, err error) {
	own, err := s.dispatch.Own(r.Context(), s.who(r), m.Collection())
	if err != nil {
		return nil, err
	}
	if asked.After != "" {
		last := answers.ResourceName(asked.After, m.Under)
		at := slices.IndexFunc(own, func(x resources.Resource) bool { return x.Name == last })
		if at < 0 {
			return nil, nil
		}
		own = own[at+1:]
	}
	for len(own) > 0 && len(entries) <= asked.Limit {
		some := own[:min(len(own), maxListed, asked.Limit+1-len(entries))]
		own = own[len(some):]
		texts, err := s.look(r, p, some, m.Base)
		if err != nil {
			return nil, err
		}
		entries = append(entries, slices.DeleteFunc(texts, func(text json.RawMessage) bool { return text == nil })...)
	}
	return entries, nil
}

// entriesOfAll reads the newest of every project that has a usable key, openailist.Most of
// each.
func (s *Server) entriesOfAll(r *http.Request, p *dispatch.Pool, m match, asked openailist.Asked) (entries []json.RawMessage, err error) {
	whole := passing.WithQuery(r, func(query url.Values) {
		clear(query)
		query.Set("limit", strconv.Itoa(openailist.Most))
	})
	lists, errs := make([][]json.RawMessage, len(p.Projects)), make([]error, len(p.Projects))
	for from := 0; from < len(lists); from += maxListed {
		var asking sync.WaitGroup
		for i := from; i < min(from+maxListed, len(lists)); i++ {
			asking.Go(func() {
				errs[i] = s.dispatch.Free(r.Context(), p.Only(p.Projects[i].ID), true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
					text, _, failure := exchange.List(ctx, whole, to, m.path(""))
					lists[i] = openailist.Entries(text)
					return failure
				})
			})
		}
		asking.Wait()
	}
	err = dispatch.ErrKeyless
	for i, list := range lists {
		switch {
		case keyless(errs[i]):
		case errs[i] != nil:
			return nil, errs[i]
		default:
			entries, err = append(entries, list...), nil
		}
	}
	openailist.Newest(entries)
	return openailist.Behind(entries, asked.After), err
}
