package openailist

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/apierror"
)

// The number of entries on a page: where a client doesn't say, and at most. They are those of
// OpenAI's batches, https://platform.openai.com/docs/api-reference/batch/list.
const (
	usual = 20
	Most  = 100
)

// An Asked is which page a client asks for.
type Asked struct {
	After  string // the ID of the entry before it; "": it is the first
	Before string // Anthropic's: that of the entry behind it
	Limit  int
}

// pagePrefix begins the cursors of Anthropic's lists of files. What is behind it here is the ID of
// the entry before the page.
const pagePrefix = "page_"

// Read reads what a query asks for, in OpenAI's words or Anthropic's. It fails with an
// *apierror.Problem.
func Read(query url.Values) (Asked, error) {
	cursor := strings.TrimPrefix(query.Get("page"), pagePrefix)
	a := Asked{After: cmp.Or(query.Get("after"), query.Get("after_id"), cursor), Before: query.Get("before_id"), Limit: usual}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return a, apierror.Invalid("limit", "want a whole number from 1.")
		}
		a.Limit = min(n, Most)
	}
	return a, nil
}

// An entry is what every entry of a list has.
type entry struct {
	ID      string `json:"id"`
	Created any    `json:"created_at"`
	Purpose string `json:"purpose"` // of a file of OpenAI's
}

func entryOf(text json.RawMessage) (e entry) {
	_ = json.Unmarshal(text, &e) // what has neither is in the list all the same
	return e
}

// created returns when an entry was made, in Unix seconds: OpenAI says that, Anthropic RFC 3339.
func (e entry) created() float64 {
	switch at := e.Created.(type) {
	case float64:
		return at
	case string:
		t, _ := time.Parse(time.RFC3339Nano, at)
		return float64(t.UnixNano()) / 1e9
	}
	return 0
}

// Entries returns the entries of a list as they stand there.
func Entries(list []byte) []json.RawMessage {
	var out struct{ Data []json.RawMessage }
	_ = json.Unmarshal(list, &out) // what is no list has none
	return out.Data
}

// Newest sorts entries, the newest first.
func Newest(entries []json.RawMessage) {
	slices.SortStableFunc(entries, func(a, b json.RawMessage) int {
		return cmp.Compare(entryOf(b).created(), entryOf(a).created())
	})
}

// A Page is one, as OpenAI answers it.
type Page struct {
	Object string            `json:"object"`
	Data   []json.RawMessage `json:"data"`
	First  string            `json:"first_id,omitempty"`
	Last   string            `json:"last_id,omitempty"`
	More   bool              `json:"has_more"`
}

// PageOf returns the first page of entries that are all of them, or of as many that it is known
// whether more follow.
func PageOf(entries []json.RawMessage, limit int) Page {
	p := Page{Object: "list", Data: entries[:min(limit, len(entries))], More: len(entries) > limit}
	if n := len(p.Data); n > 0 {
		p.First, p.Last = entryOf(p.Data[0]).ID, entryOf(p.Data[n-1]).ID
	} else {
		p.Data = []json.RawMessage{}
	}
	return p
}

// An AnthropicPage is one, as Anthropic answers it: a list of batches is gone on with by IDs, one
// of files by a cursor (https://docs.claude.com/en/api/listing-message-batches; Anthropic's SDK for
// Go, v1.84.0).
type AnthropicPage struct {
	Data  []json.RawMessage `json:"data"`
	First *string           `json:"first_id"`
	Last  *string           `json:"last_id"`
	More  bool              `json:"has_more"`
	Next  *string           `json:"next_page"`
}

// Anthropic returns the page as Anthropic answers it.
func (p Page) Anthropic() AnthropicPage {
	out := AnthropicPage{Data: p.Data, More: p.More}
	if len(p.Data) > 0 {
		out.First, out.Last = &p.First, &p.Last
	}
	if p.More {
		next := pagePrefix + p.Last
		out.Next = &next
	}
	return out
}

// Wanted returns those of the entries that a query asks for: files for a purpose (OpenAI's), or of
// some IDs (Anthropic's).
func Wanted(entries []json.RawMessage, query url.Values) []json.RawMessage {
	purpose, ids := query.Get("purpose"), slices.Concat(query["ids"], query["ids[]"])
	return slices.DeleteFunc(entries, func(text json.RawMessage) bool {
		e := entryOf(text)
		return purpose != "" && e.Purpose != purpose || len(ids) > 0 && !slices.Contains(ids, e.ID)
	})
}

// IDs returns those of entries.
func IDs(entries []json.RawMessage) []string {
	ids := make([]string, len(entries))
	for i, text := range entries {
		ids[i] = entryOf(text).ID
	}
	return ids
}

// Part returns the part of a list that is asked for, or begins it, of entries by their IDs:
// entries[from:to]. Beside an ID that isn't there is nothing: a client that was answered from the
// beginning would never end.
func (a Asked) Part(ids []string) (from, to int) {
	switch {
	case a.After != "":
		if at := slices.Index(ids, a.After); at >= 0 {
			return at + 1, len(ids)
		}
		return 0, 0
	case a.Before != "":
		at := max(0, slices.Index(ids, a.Before))
		return max(0, at-a.Limit), at
	}
	return 0, len(ids)
}

// OfModels adds to a model of Anthropic's, or to each of a list, what OpenAI's clients look
// for in one. What can't be read stays as it is.
func OfModels(text []byte, provider string) []byte {
	var all map[string]json.RawMessage
	if json.Unmarshal(text, &all) != nil || all == nil {
		return text
	}
	list := []map[string]json.RawMessage{all}
	data, isList := all["data"]
	if isList {
		if list = nil; json.Unmarshal(data, &list) != nil {
			return text
		}
		all["object"] = json.RawMessage(`"list"`)
	}
	for _, model := range list {
		if model == nil {
			return text
		}
		var made time.Time
		_ = json.Unmarshal(model["created_at"], &made) // then it is said to be 0
		model["object"], model["owned_by"] = json.RawMessage(`"model"`), json.RawMessage(strconv.Quote(provider))
		model["created"] = json.RawMessage(strconv.FormatInt(max(0, made.Unix()), 10))
	}
	if isList {
		all["data"], _ = json.Marshal(list) // what was read can be written
	}
	whole, err := json.Marshal(all)
	if err != nil {
		return text
	}
	return whole
}
