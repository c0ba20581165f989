package resources

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// An Owned is what files, cached contents and interactions have in common: they
// belong to a project, and only for a time.
type Owned struct {
	ID      string
	Project string
	number  int64 // counts up, so that it tells the order of creation
	Created time.Time
	Updated time.Time
	Expires time.Time
}

// about returns what resources have in common.
func (o *Owned) about() *Owned { return o }

// A Store holds the resources of one kind. It has no lock; whoever has
// it has one, too.
type Store[R interface{ about() *Owned }] struct {
	items map[string]R // by ID
	made  int64
}

// NewStore returns a store without anything.
func NewStore[R interface{ about() *Owned }]() Store[R] {
	return Store[R]{items: make(map[string]R)}
}

// Get returns a resource that the project may see and that hasn't expired.
func (s *Store[R]) Get(id, project string, now time.Time) (R, bool) {
	r, ok := s.items[id]
	if ok {
		if o := r.about(); o.Project != project || !now.Before(o.Expires) {
			var none R
			return none, false
		}
	}
	return r, ok
}

// Has tells whether an ID is in use, by whatever project.
func (s *Store[R]) Has(id string, now time.Time) bool {
	r, ok := s.items[id]
	return ok && now.Before(r.about().Expires)
}

// Put adds a resource, unless one with its ID is there already.
func (s *Store[R]) Put(r R, now time.Time) bool {
	for id, other := range s.items {
		if !now.Before(other.about().Expires) {
			delete(s.items, id)
		}
	}
	o := r.about()
	if _, taken := s.items[o.ID]; taken {
		return false
	}
	s.made++
	o.number = s.made
	s.items[o.ID] = r
	return true
}

// Page returns the newest resources of a project that are older than the one
// numbered before, at most size of them, and the number of the last if there
// are more.
func (s *Store[R]) Page(project string, now time.Time, before int64, size int) (list []R, more int64) {
	for _, r := range s.items {
		o := r.about()
		if o.Project == project && now.Before(o.Expires) && (before == 0 || o.number < before) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b R) int { return int(b.about().number - a.about().number) })
	if len(list) > size {
		list = list[:size]
		more = list[size-1].about().number
	}
	return list, more
}

// Len returns how many resources take memory.
func (s *Store[R]) Len() int { return len(s.items) }

// Drop takes a resource away.
func (s *Store[R]) Drop(id string) { delete(s.items, id) }

// Paging reads the size of a page and where it begins. A token is of use only to
// the project it was given to.
func Paging(query url.Values, project string, usual, most int) (before int64, size int, err *wire.Error) {
	size = usual
	if v := query.Get("pageSize"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return 0, 0, wire.InvalidArgument("Invalid value at 'page_size' (TYPE_INT32)")
		}
		if n > 0 {
			size = min(n, most)
		}
	}
	if v := query.Get("pageToken"); v != "" {
		raw, _ := base64.RawURLEncoding.DecodeString(v) // undecodable: no token of ours either
		number, of, _ := strings.Cut(string(raw), "/")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n <= 0 || of != wire.ProjectNumber(project) {
			return 0, 0, wire.InvalidArgument("Invalid page token.")
		}
		before = n
	}
	return before, size, nil
}

// PageToken returns the token of a page that begins behind a resource; zero: there is none.
func PageToken(project string, number int64) string {
	if number == 0 {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d/%s", number, wire.ProjectNumber(project)))
}
