package openailist

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"

	"fluxgate.dev/fluxgate/internal/apierror"
)

// The number of entries on a page: where a client doesn't say, and at most. They are OpenAI's,
// https://platform.openai.com/docs/api-reference/batch/list.
const (
	usual = 20
	Most  = 100
)

// An Asked is which page a client asks for.
type Asked struct {
	After string // the ID of the entry before it; "": it is the first
	Limit int
}

// Read reads what a query asks for. It fails with an *apierror.Problem.
func Read(query url.Values) (Asked, error) {
	a := Asked{After: query.Get("after"), Limit: usual}
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
	Created int64  `json:"created_at"`
}

func entryOf(text json.RawMessage) (e entry) {
	_ = json.Unmarshal(text, &e) // what has neither is in the list all the same
	return e
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
		return cmp.Compare(entryOf(b).Created, entryOf(a).Created)
	})
}

// A Page is one, as it is answered.
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

// Behind returns the entries behind the one with an ID, of "" all. Behind one that isn't there is
// nothing: a client that was answered from the beginning would go on for ever.
func Behind(entries []json.RawMessage, id string) []json.RawMessage {
	if id == "" {
		return entries
	}
	at := slices.IndexFunc(entries, func(text json.RawMessage) bool { return entryOf(text).ID == id })
	if at < 0 {
		return nil
	}
	return entries[at+1:]
}
