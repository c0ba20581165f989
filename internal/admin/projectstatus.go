package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// An instant is written in UTC and milliseconds.
type instant scheduler.Instant

// MarshalJSON implements json.Marshaler. An instant that never comes is null.
func (i instant) MarshalJSON() ([]byte, error) {
	if scheduler.Instant(i) == scheduler.Never {
		return []byte("null"), nil
	}
	return []byte(strconv.Quote(scheduler.Instant(i).Time().Format("2006-01-02T15:04:05.000Z07:00"))), nil
}

// A projectStatus is what is known of one project.
type projectStatus struct {
	Project  string `json:"project"`
	Provider string `json:"provider,omitempty"` // empty: Gemini
	// Tier is the usage tier that is declared of it: free, 1, 2 or 3.
	Tier string `json:"tier,omitempty"`
	// Unreadable says why the project's document can't be read, if it can't: then
	// nothing goes there.
	Unreadable string `json:"unreadable,omitempty"`
	// ArrivesWithin is how much later than they were sent requests arrive at the provider, in milliseconds, as this instance has
	// measured it, with how far clocks may be apart. 0: it isn't measured.
	ArrivesWithin int64         `json:"arrives_within_ms,omitempty"`
	Moved         int64         `json:"promise_moved"`
	Models        []modelStatus `json:"models"`
	// Features are those that were asked for, with quotas of their own.
	Features []modelStatus `json:"features,omitempty"`
}

// A modelStatus is the calendar of one model: the chain's, whatever else was asked for, and
// what gave up its place today.
type modelStatus struct {
	Model       string         `json:"model"`
	RPM         limitStatus    `json:"rpm"`
	TPM         limitStatus    `json:"tpm"`
	RPD         limitStatus    `json:"rpd"`
	TokensToday int64          `json:"tokens_today"`
	Bookings    int            `json:"bookings"`
	Booked      []intervalView `json:"booked,omitempty"`
	Sent        []intervalView `json:"sent,omitempty"`
	Block       *blockStatus   `json:"block,omitempty"`
	Probing     bool           `json:"probing,omitempty"`
	// NextFree is when a request of so many tokens could start; null: never.
	NextFree map[string]instant `json:"next_free"`
}

// A limitStatus is one limit and what is used of it now.
type limitStatus struct {
	Limit  int64            `json:"limit"` // -1: unlimited
	Used   int64            `json:"used"`
	Left   int64            `json:"left"` // -1: unlimited
	Source scheduler.Source `json:"source"`
	Since  *time.Time       `json:"since,omitempty"` // of a number that wasn't always there
}

// An intervalView is a request, or several that end in the same second.
type intervalView struct {
	Start    instant `json:"start"`
	End      instant `json:"end"`
	Tokens   int64   `json:"tokens"`
	Requests int64   `json:"requests"`
}

type blockStatus struct {
	Until instant         `json:"until"`
	Cause scheduler.Cause `json:"cause"`
}

// probeSizes are the sizes of requests, in tokens, for which the next free
// instant is told.
var probeSizes = []int64{1_000, 10_000, 100_000, 1_000_000}

// project describes a project, of which that is a key; state is nil if nothing is known of it yet.
func (v *statusView) project(id string, key keys.Key, state *scheduler.Project) projectStatus {
	v = v.of(id)
	out := projectStatus{Project: id, Provider: key.Of(), Tier: string(v.rules.Policy.Tier()), Models: []modelStatus{}}
	if near := v.rules.Near[key.Of()]; key.Of() != "" {
		out.ArrivesWithin = near.Milliseconds()
	}
	models := slices.Clone(v.wanted(key))
	known := len(models)
	if state != nil {
		out.Moved, out.Unreadable = state.Moved, state.Unreadable
		for _, c := range state.Calendars {
			switch {
			case c.Model == scheduler.OfProject: // it shows at the models
			case !scheduler.IsModel(c.Model):
				f := v.model(nil, c)
				f.Model = scheduler.NameOfCalendar(c.Model)
				out.Features = append(out.Features, f)
			case !slices.Contains(models, c.Model):
				models = append(models, c.Model)
			}
		}
		known = len(models)
	}
	away := state.Away(v.names)
	for model := range away {
		if model != scheduler.OtherModels && !slices.Contains(models, model) {
			models = append(models, model)
		}
	}
	slices.Sort(models[known:])
	for _, model := range models {
		out.Models = append(out.Models, v.model(state, state.Calendar(model)))
	}
	for _, d := range away[scheduler.OtherModels] {
		if d.Day == scheduler.DayOf(v.now) {
			out.Models = append(out.Models, v.others(d))
		}
	}
	return out
}

// of returns the view of a project, by its own rules.
func (v *statusView) of(project string) *statusView {
	own := *v
	own.rules = v.rules.Of(project)
	return &own
}

// leaveOutIdle takes those models of the chain off the projects that nothing is to be said
// of: they stand as on a project that was never asked and has the limits that most have,
// which it returns by name.
func (v *statusView) leaveOutIdle(projects []projectStatus) map[string]modelStatus {
	of, most := map[*scheduler.Rules]int{}, v
	for _, p := range projects {
		own := v.of(p.Project)
		if of[own.rules]++; of[own.rules] > of[most.rules] {
			most = own
		}
	}
	v = most
	idle := make(map[string]modelStatus, len(v.chain))
	for _, model := range v.chain {
		idle[model] = v.model(nil, (*scheduler.Project)(nil).Calendar(model))
	}
	for i := range projects {
		projects[i].Models = slices.DeleteFunc(projects[i].Models, func(m modelStatus) bool {
			as, ok := idle[m.Model]
			return ok && reflect.DeepEqual(m, as)
		})
	}
	return idle
}

// Tag is an entity tag of a status: it changes when something is to be told, and not for
// the time that passes and what the store was asked for it.
func (s *Status) Tag() string {
	still := *s
	still.Now, still.Store, still.Operations = 0, storage.Stats{}, operationsStatus{}
	rest := func(models []modelStatus) []modelStatus {
		out := slices.Clone(models)
		for i := range out {
			free := make(map[string]instant, len(out[i].NextFree))
			for size, at := range out[i].NextFree {
				if at > s.Now {
					free[size] = at
				}
			}
			out[i].NextFree = free
		}
		return out
	}
	still.Projects = slices.Clone(s.Projects)
	for i := range still.Projects {
		p := &still.Projects[i]
		p.Models, p.Features = rest(p.Models), rest(p.Features)
	}
	still.Idle = nil // as the chain and the rules have it
	text, err := json.Marshal(still)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return `W/"` + hex.EncodeToString(sum[:12]) + `"`
}

// Moment is when a status was made.
func (s *Status) Moment() string {
	text, _ := s.Now.MarshalJSON() // never fails
	return strings.Trim(string(text), `"`)
}

// others describes what models together were used for today whose names aren't kept. Nothing
// weighs on them within the minute.
func (v *statusView) others(d scheduler.DayCount) modelStatus {
	unlimited := v.limit(scheduler.Unlimited, 0, scheduler.FromDefault, scheduler.LearnedLimit{})
	day := unlimited
	day.Used = d.Requests
	return modelStatus{
		Model: scheduler.OtherModels, RPM: unlimited, TPM: unlimited, RPD: day, TokensToday: d.Tokens, NextFree: map[string]instant{},
	}
}

// model describes a calendar of a project, as far as that matters to it; nil: it doesn't.
func (v *statusView) model(of *scheduler.Project, c *scheduler.Calendar) modelStatus {
	f := c.EffectiveLimits(v.rules, v.now)
	requests, tokens := c.InWindow(v.rules, v.now)
	today := c.Day(v.rules, v.now)
	bookings := c.Booked(v.rules, v.now)
	m := modelStatus{
		Model: c.Model, Bookings: len(bookings), Probing: c.Probing(v.now) != scheduler.NoCause,
		RPM:      v.limit(f.RPM, requests, f.RPMFrom, c.Learned.RPM),
		TPM:      v.limit(f.TPM, tokens, f.TPMFrom, c.Learned.TPM),
		RPD:      v.limit(f.RPD, c.Used(v.rules, today), f.RPDFrom, c.Learned.RPD),
		NextFree: make(map[string]instant, len(probeSizes)),
	}
	for _, d := range c.Days {
		if d.Day == today {
			m.TokensToday = d.Tokens
		}
	}
	// Of tokens that have a bucket by the model's minute, that is the limit; see package standing.
	if used := of.Calendar(scheduler.OfUsed(c.Model)); of.Has(used.Model) {
		if l := used.EffectiveLimits(v.rules, v.now); l.TPM != scheduler.Unlimited && (f.TPM == scheduler.Unlimited || l.TPM < f.TPM) {
			_, tokens = used.InWindow(v.rules, v.now)
			m.TPM = v.limit(l.TPM, tokens, l.TPMFrom, used.Learned.TPM)
		}
	}
	for _, size := range probeSizes {
		var start scheduler.Instant
		if demand := (scheduler.Demand{Tokens: size}); of != nil {
			start, _ = of.Earliest(v.rules, v.now, c.Model, demand, beside(of, c.Model, demand))
		} else {
			start, _ = c.Earliest(v.rules, v.now, demand)
		}
		m.NextFree[strconv.FormatInt(size, 10)] = instant(start)
	}
	for _, b := range bookings {
		start, end := c.Interval(v.rules, v.now, b)
		m.Booked = append(m.Booked, intervalView{instant(start), instant(end), b.Demand.Tokens, max(b.Demand.Requests, 1)})
	}
	for _, r := range c.Sent {
		if !r.Note() {
			m.Sent = append(m.Sent, intervalView{instant(r.Start), instant(r.End), r.Tokens, r.Requests})
		}
	}
	for _, x := range c.Folded {
		m.Sent = append(m.Sent, intervalView{instant(x.End.Add(-v.rules.Spec(c.Model).Window - v.rules.Late(c.Model))), instant(x.End), x.Tokens, x.Requests})
	}
	block := c.Block
	if of != nil {
		if all := of.Calendar(scheduler.OfProject).Block; all.Until > block.Until {
			block = all
		}
	}
	if block.Until > v.now {
		m.Block = &blockStatus{instant(block.Until), block.Cause}
	}
	return m
}

// beside returns what a request to a model weighs on the calendars that count what is sent to it.
func beside(of *scheduler.Project, model string, d scheduler.Demand) (all []scheduler.Weight) {
	for _, c := range of.Calendars {
		if counts, ok := scheduler.CountsSent(c.Model); ok && counts == model || c.Model == scheduler.OfDay(model) {
			all = append(all, scheduler.Weight{On: c.Model, Demand: d})
		}
	}
	return all
}

func (v *statusView) limit(limit, used int64, from scheduler.Source, learned scheduler.LearnedLimit) limitStatus {
	out := limitStatus{Limit: limit, Used: used, Left: scheduler.Unlimited, Source: from}
	if limit != scheduler.Unlimited {
		out.Left = max(0, limit-used)
	}
	var since time.Time
	switch from {
	case scheduler.FromLearned:
		// One that isn't fresh may have been named long ago, or have been found since.
		if !learned.Stale(v.now) {
			since = learned.At.Time()
		}
	case scheduler.FromRunTime:
		since = v.control.LimitsAt
	case scheduler.FromReported:
		since = v.control.ReportedAt
	}
	if !since.IsZero() {
		out.Since = &since
	}
	return out
}
