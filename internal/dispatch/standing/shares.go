package standing

import (
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/scheduler"
)

// A share is what an organisation's settings leave of one of its limits to the part of it that a key
// is of.
type share struct {
	key       string
	dimension ratelimits.Dimension
	per       time.Duration
	limit     int64
	heard     scheduler.Instant
}

const (
	// maxShares bounds the shares of a model that are remembered; shareFor is for how long one is that
	// isn't told again, as of a key that isn't used any more.
	maxShares = 64
	shareFor  = 24 * time.Hour
)

// noteShares remembers what an answer says of its key's shares. A key of which no share is told has all that its
// organisation has.
func (r *Record) noteShares(project string, now scheduler.Instant, heard Heard) {
	var told []share
	for _, l := range heard.Limits {
		if l.Tier == ratelimits.Share && l.Limit > 0 {
			told = append(told, share{heard.Key, l.Dimension, l.Per, l.Limit, now})
		}
	}
	of := project + " " + heard.Model
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.shares.Get(of); ok || len(told) > 0 {
		kept := slices.DeleteFunc(slices.Clone(known), func(s share) bool { return s.key == heard.Key || now.Sub(s.heard) > shareFor })
		kept = append(kept, told...)
		r.shares.Put(of, kept[max(0, len(kept)-maxShares):])
	}
}

// leastShare returns a limit, or the least share of it that one of a project's keys has, whichever is less. All
// of them are planned for together, and so what is admitted may go with any.
func (r *Record) leastShare(project, model string, l *ratelimits.Limit) *ratelimits.Limit {
	if l == nil {
		return nil
	}
	least := *l
	known, _ := r.shares.Get(project + " " + model)
	for _, s := range known {
		if s.dimension == l.Dimension && s.per == l.Per && s.limit < least.Limit {
			least.Limit = s.limit
		}
	}
	return &least
}
