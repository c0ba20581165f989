package geminisim

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// owned is what files and cached contents have in common: they belong to a
// project, and only for a time.
type owned struct {
	id      string
	project string
	number  int64 // counts up, so that it tells the order of creation
	created time.Time
	updated time.Time
	expires time.Time
}

func (o *owned) about() *owned { return o }

// resourceStore holds the resources of one kind. The Server's mu must be held
// while its methods are called.
type resourceStore[R interface{ about() *owned }] struct {
	items map[string]R // by ID
	made  int64
}

func newResourceStore[R interface{ about() *owned }]() resourceStore[R] {
	return resourceStore[R]{items: make(map[string]R)}
}

// get returns a resource that the project may see and that hasn't expired.
func (s *resourceStore[R]) get(id, project string, now time.Time) (R, bool) {
	r, ok := s.items[id]
	if ok {
		if o := r.about(); o.project != project || !now.Before(o.expires) {
			var none R
			return none, false
		}
	}
	return r, ok
}

// has tells whether an ID is in use, by whatever project.
func (s *resourceStore[R]) has(id string, now time.Time) bool {
	r, ok := s.items[id]
	return ok && now.Before(r.about().expires)
}

// put adds a resource, unless one with its ID is there already.
func (s *resourceStore[R]) put(r R, now time.Time) bool {
	for id, other := range s.items {
		if !now.Before(other.about().expires) {
			delete(s.items, id)
		}
	}
	o := r.about()
	if _, taken := s.items[o.id]; taken {
		return false
	}
	s.made++
	o.number = s.made
	s.items[o.id] = r
	return true
}

// page returns the newest resources of a project that are older than the one
// numbered before, at most size of them, and the number of the last if there
// are more.
func (s *resourceStore[R]) page(project string, now time.Time, before int64, size int) (list []R, more int64) {
	for _, r := range s.items {
		o := r.about()
		if o.project == project && now.Before(o.expires) && (before == 0 || o.number < before) {
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

// paging reads the size of a page and where it begins. A token is of use only to
// the project it was given to.
func (c *call) paging(usual, most int) (before int64, size int, err *wire.Error) {
	query := c.r.URL.Query()
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
		number, project, _ := strings.Cut(string(raw), "/")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n <= 0 || project != wire.ProjectNumber(c.who.Project) {
			return 0, 0, wire.InvalidArgument("Invalid page token.")
		}
		before = n
	}
	return before, size, nil
}

func (c *call) pageToken(number int64) string {
	if number == 0 {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d/%s", number, wire.ProjectNumber(c.who.Project)))
}
