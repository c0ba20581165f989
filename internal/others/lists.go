package others

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/openailist"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// List serves a list in OpenAI's format or Anthropic's: of what the caller has, or of what all
// projects have, the newest first. Where another provider than Gemini has one project, the list of
// all is its own.
func (o *Others) List(w http.ResponseWriter, r *http.Request, at Place, q Question) error {
	if at.Provider != upstream.Gemini && len(at.Pool.Projects) == 1 && !o.dispatch.Confines(q.Who) {
		return o.dispatch.Free(r.Context(), at.Pool, true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
			text, header, failure := exchange.List(ctx, r, to, q.Route.OtherPath("", nil))
			if failure == nil {
				exchange.PassText(w, http.StatusOK, header, Relink(r, q.Route, text))
			}
			return failure
		})
	}
	asked, err := openailist.Read(r.URL.Query())
	if err != nil {
		return err
	}
	read := o.entriesOfAll
	if o.dispatch.Confines(q.Who) {
		read = o.entriesOfOne
	}
	entries, before, err := read(r, at, q, asked)
	if err != nil {
		return err
	}
	page := openailist.PageOf(entries, asked.Limit)
	page.More = page.More || before
	var answer any = page
	if Format(q.Route) == config.FormatAnthropic {
		answer = page.Anthropic()
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	exchange.PassText(w, http.StatusOK, http.Header{"Content-Type": passing.JSONType}, Relink(r, q.Route, text))
	return nil
}

// entriesOfOne reads what the caller has, one more than is asked for if there is, and whether more
// stands before that on the way back.
func (o *Others) entriesOfOne(r *http.Request, at Place, q Question, asked openailist.Asked) (entries []json.RawMessage, before bool, err error) {
	kind := q.Route.Collection()
	if at.Provider != upstream.Gemini {
		kind = strings.TrimSuffix(q.Route.KeptName(at.Provider, q.Route.Under), "/")
	}
	own, err := o.dispatch.Own(r.Context(), q.Who, kind)
	if err != nil {
		return nil, false, err
	}
	own = slices.DeleteFunc(own, func(x resources.Resource) bool { return !at.Pool.Has(x.Project) })
	ids := make([]string, len(own))
	for i, x := range own {
		ids[i] = x.Name[strings.LastIndexByte(x.Name, '/')+1:]
	}
	asked.After = strings.TrimPrefix(asked.After, q.Route.Under)
	from, to := asked.Part(ids)
	own = own[from:to]
	for len(own) > 0 && len(entries) <= asked.Limit {
		some := own[:min(len(own), maxAsked, asked.Limit+1-len(entries))]
		own = own[len(some):]
		texts, err := o.Look(r, at.Pool, some, func(name string) string {
			if at.Provider == upstream.Gemini {
				return q.Route.Base.Upstream() + name
			}
			return dispatch.PathOf(name)
		})
		if err != nil {
			return nil, false, err
		}
		texts = slices.DeleteFunc(texts, func(text json.RawMessage) bool { return text == nil })
		entries = append(entries, openailist.Wanted(texts, r.URL.Query())...)
	}
	return entries, asked.Before != "" && from > 0, nil
}

// Look reads resources, all at once, each at the path of its name: nil where one isn't there any
// more.
func (o *Others) Look(r *http.Request, p *dispatch.Pool, list []resources.Resource, path func(name string) string) ([]json.RawMessage, error) {
	texts, errs := make([]json.RawMessage, len(list)), make([]error, len(list))
	asked := passing.WithQuery(r, func(query url.Values) { clear(query) })
	var asking sync.WaitGroup
	for i, x := range list {
		if !p.Has(x.Project) {
			continue
		}
		asking.Go(func() {
			errs[i] = o.dispatch.Free(r.Context(), p.Only(x.Project), true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
				text, _, failure := exchange.List(ctx, asked, to, path(x.Name))
				if failure == nil && json.Valid(text) {
					texts[i] = text
				}
				return failure
			})
		})
	}
	asking.Wait()
	for _, err := range errs {
		if err != nil && !isGone(err) && !dispatch.Keyless(err) {
			return nil, err
		}
	}
	return texts, nil
}

// isGone reports whether upstream says that a resource isn't there, or, which it doesn't tell
// apart, is another project's.
func isGone(err error) bool {
	var failure *upstream.Error
	if !errors.As(err, &failure) {
		return false
	}
	forbidden := failure.HTTPStatus == http.StatusForbidden && (failure.Class == upstream.ClassCaller || failure.Class == upstream.ClassDenied)
	return failure.HTTPStatus == http.StatusNotFound || forbidden
}

// entriesOfAll reads the newest of every project that has a usable key, openailist.Most of
// each, and whether more stands before that on the way back.
func (o *Others) entriesOfAll(r *http.Request, at Place, q Question, asked openailist.Asked) (entries []json.RawMessage, before bool, err error) {
	path := q.Route.OtherPath("", nil)
	if at.Provider == upstream.Gemini {
		path = q.Route.Base.Upstream() + path
	}
	whole := passing.WithQuery(r, func(query url.Values) {
		clear(query)
		query.Set("limit", strconv.Itoa(openailist.Most))
	})
	p := at.Pool
	lists, errs := make([][]json.RawMessage, len(p.Projects)), make([]error, len(p.Projects))
	for from := 0; from < len(lists); from += maxAsked {
		var asking sync.WaitGroup
		for i := from; i < min(from+maxAsked, len(lists)); i++ {
			asking.Go(func() {
				errs[i] = o.dispatch.Free(r.Context(), p.Only(p.Projects[i].ID), true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
					text, _, failure := exchange.List(ctx, whole, to, path)
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
		case dispatch.Keyless(errs[i]):
		case errs[i] != nil:
			return nil, false, errs[i]
		default:
			entries, err = append(entries, list...), nil
		}
	}
	entries = openailist.Wanted(entries, r.URL.Query())
	openailist.Newest(entries)
	from, to := asked.Part(openailist.IDs(entries))
	return entries[from:to], asked.Before != "" && from > 0, err
}
