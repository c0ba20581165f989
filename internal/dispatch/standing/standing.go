package standing

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/sharing"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/scheduler"
)

// noise is the part of a limit of tokens by which what is used may be told otherwise than it is
// counted here: what a provider estimates of a request isn't what we do.
const noise = 50

// longer bounds how much longer than the provider counts it what somebody else has sent weighs: a quarter
// of the limit's period, at most. Who sends steadily has sent the next by then, and what is heard
// of that comes in time.
const longer = 15 * time.Second

// spare is the part of what others were found to have sent that is left free beside that: who sends
// a little more than before, or a little earlier, is heard of too late.
const spare = 8

// timeout bounds what is written of an answer's headers: the caller's answer ends with it.
const timeout = 10 * time.Second

// Heard is what an answer said of a model's limits, as of when its request arrived.
type Heard struct {
	Model  string
	Key    string // that the request was sent with
	Limits []ratelimits.Limit
	Sent   Sent
}

// Believe has the project of a grant told what its answer said. It returns what is to be told of that: which calendars have no
// place, each once a day, whose model is held to less than their limits until there is one; and where requests arrive later than
// somebody has named.
func (r *Record) Believe(ctx context.Context, ctl *admission.Controller, grant *admission.Grant, told []ratelimits.Limit, sent Sent) (news []string, err error) {
	if grant.Model != grant.Asked && sharing.Fast(grant.Model) { // else some model is called so
		told = ratelimits.InFast(told)
	}
	if len(told)+len(sent.refused) == 0 {
		return nil, nil // as with nearly all of Gemini's, for which no timer is started
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if news, err = arrivedLate(ctx, ctl, grant, told, sent); err != nil || len(told) == 0 {
		return news, err
	}
	states, err := ctl.View(ctx, []string{grant.Project})
	if err != nil {
		return nil, err
	}
	for _, change := range r.Changes(grant.Project, states[0], ctl.Rules().Of(grant.Project), ctl.Now(), Heard{grant.Model, grant.Key, told, sent}, rand.Uint64) {
		result, err := ctl.Apply(ctx, grant.Project, change)
		if err != nil {
			return news, err
		}
		if learned, ok := change.(scheduler.RecordRefusal); ok && result.NoPlace && r.tellsCrowded(grant.Project+" "+learned.Model, ctl.Now()) {
			news = append(news, fmt.Sprintf("the limit of %s on %s has no calendar, for the project has as many as it may: %s is held to less", scheduler.NameOfCalendar(learned.Model), grant.Project, grant.Model))
		}
	}
	return news, nil
}

// Changes returns what a project is to be told after an answer; mostly nothing. The project has
// the request that was answered on it; the IDs are random, for what others have sent.
func (r *Record) Changes(project string, p *scheduler.Project, rules *scheduler.Rules, now scheduler.Instant, heard Heard, id func() uint64) (changes []scheduler.Change) {
	r.noteShares(project, now, heard)
	even := func(l *ratelimits.Limit) bool {
		on := scheduler.OfBucket(heard.Model, l.Per)
		return r.refilled(project+" "+on, l, p.Has(on))
	}
	for _, on := range counted(heard, r.refills(project, p, now, heard), even) {
		c := p.Calendar(on.calendar)
		limited := on
		limited.requests, limited.tokens = r.leastShare(project, heard.Model, on.requests), r.leastShare(project, heard.Model, on.tokens)
		if learned := limited.learned(c, rules, now, heard.Sent.at); learned != (scheduler.Limits{}) {
			change := scheduler.RecordRefusal{Model: on.calendar, Limits: learned}
			changes = append(changes, change)
			p, _ = p.Apply(rules, now, change) // a window begins with what was sent from here
			c = p.Calendar(on.calendar)
		}
		if on.tokens != nil && on.tokens.Named {
			// What is used was ours, sent before it was known what to count.
			_, missing := c.Missing(rules, now)
			if more := on.tokens.Used() + heard.Sent.refused[on.calendar].Tokens - missing; more > 0 {
				changes = append(changes, scheduler.Use{Model: on.calendar, ID: id(), Tokens: more})
			}
			continue
		}
		of := project + " " + on.calendar
		if heard.Sent.unknown {
			r.add(of, now, charge{}) // and from now on it is looked up
			continue
		}
		used, more := limited.used(now.Sub(heard.Sent.at)), heard.Sent.refused[on.calendar]
		if used.Evenly = r.evenly(of, on, heard.Sent.at, now); used.Evenly {
			used.Most = r.beyond(of, limited, heard.Sent.missing[on.calendar])
		} else {
			used.Most = plus(r.beyond(of, limited, heard.Sent.counted[on.calendar]), r.lingers(of, heard.Sent.at))
			used.Used = plus(used.Used, r.lingers(of, now))
		}
		used.Used, used.Most = plus(used.Used, more), plus(used.Most, more)
		others := used.Others(c, rules, now)
		if others == (scheduler.Demand{}) && on.tells() && c.Unheard(rules, now) {
			changes = append(changes, used) // that it is no more than is counted here was told too
		}
		if others != (scheduler.Demand{}) {
			spare := r.spare(of, now, others)
			used.Used, used.Most = plus(used.Used, spare), plus(used.Most, spare)
			used.ID, used.Longer = id(), min(longer, on.per()/4)
			changes = append(changes, used)
			// It came before the request that was answered; what weighs does so from now on.
			r.add(of, now, charge{others, spare, heard.Sent.at.Add(on.per()), now.Add(on.per() + used.Longer)})
		}
	}
	if block, ok := usedUp(p.Calendar(heard.Model), now, heard); ok {
		changes = append(changes, scheduler.RecordRefusal{Model: heard.Model, Block: block, Admitted: heard.Sent.at})
	}
	return changes
}

// longestBlock bounds for how long nothing is sent since a limit of an unknown period is used up. Then one request
// is tried.
const longestBlock = time.Hour

// usedUp returns the block of a model of which an answer says that nothing is left, of a limit that no calendar counts
// since its period isn't said, but until when. A refusal says by itself when to come back.
func usedUp(c *scheduler.Calendar, now scheduler.Instant, heard Heard) (b scheduler.Block, ok bool) {
	if heard.Sent.refused != nil {
		return b, false
	}
	for _, l := range inForce(heard.Limits) {
		if l.Tier != ratelimits.Standard || l.Per != 0 || l.Remaining != 0 || l.Limit == 0 || l.Bucket || l.Reset.IsZero() {
			continue
		}
		until, strikes := scheduler.At(l.Reset), int64(0)
		if longest := now.Add(longestBlock); until > longest {
			until, strikes = longest, 1 // it isn't believed: see [scheduler.Block]
		}
		if until > max(b.Until, now) {
			b = scheduler.Block{Cause: scheduler.ByMinute, Until: until, Strikes: strikes}
		}
	}
	// Each of those that were on their way says it again.
	return b, b.Until > c.Block.Until+1000
}

// beyond returns how much of what was used was counted neither here nor as others' by then, nor
// as others' since.
func (r *Record) beyond(of string, s standing, here scheduler.Demand) (others scheduler.Demand) {
	since := r.total(of)
	if s.requests != nil {
		others.Requests = s.requests.Used() - here.Requests - since.Requests
	}
	if s.tokens != nil {
		others.Tokens = s.tokens.Used() - here.Tokens - since.Tokens
	}
	return others
}

// A standing is what was said of the limits that one calendar counts.
type standing struct {
	calendar         string
	requests, tokens *ratelimits.Limit // nil: nothing
	daily            bool              // its requests are those of a day, until midnight
}

// A refilling says what an answer shows of the tokens of a minute that count as they are used.
type refilling int

const (
	notShown refilling = iota // that they are filled evenly
	shown                     // they are, and their calendar is to be made
	kept                      // and has been
)

// refills returns what an answer, and those before, have shown of the tokens that count as they are used. Where they are
// filled evenly, they have a bucket beside the model's calendar. What another instance has found counts as long as
// nothing here contradicts it: of a limit that is used up nothing can be seen.
func (r *Record) refills(project string, p *scheduler.Project, now scheduler.Instant, heard Heard) refilling {
	on := scheduler.OfUsed(heard.Model)
	for _, l := range inForce(heard.Limits) {
		if !asUsed(&l) {
			continue
		}
		found := !heard.Sent.unknown && r.evenly(project+" "+on, standing{calendar: on, tokens: &l}, heard.Sent.at, now)
		switch known := p.Calendar(on).Learned.TPM; {
		case r.inWindows(project + " " + on):
		case p.Has(on) && known.Limit == l.Limit && !known.Stale(now):
			return kept
		case found:
			return shown
		}
	}
	return notShown
}

// asUsed reports whether a limit is one of tokens of a minute that count as they are used.
func asUsed(l *ratelimits.Limit) bool {
	return l.AsUsed && l.Tier == ratelimits.Standard && l.Dimension == ratelimits.Tokens && l.Per == time.Minute && l.Limit > 0
}

// counted sorts what was said by calendars. Of a limit of an hour or more it asks whether it is filled evenly.
func counted(heard Heard, used refilling, even func(*ratelimits.Limit) bool) (all []standing) {
	on := func(calendar string) *standing {
		for i := range all {
			if all[i].calendar == calendar {
				return &all[i]
			}
		}
		all = append(all, standing{calendar: calendar})
		return &all[len(all)-1]
	}
	limits := inForce(heard.Limits)
	tokens := tokensOf(limits)
	for _, l := range limits {
		switch {
		case l.Tier != ratelimits.Standard:
		case l.Dimension == ratelimits.OutputTokens && l.Per == time.Minute:
			on(scheduler.OfOutputs(heard.Model)).tokens = &l
		case l.Named && l.Dimension == ratelimits.InputTokens && l.Per == time.Minute:
			on(scheduler.OfInputs(heard.Model)).tokens = &l
		case l.Dimension != ratelimits.Requests && l.Dimension != tokens:
		case used != notShown && asUsed(&l):
			on(scheduler.OfUsed(heard.Model)).tokens = &l
			// Within a minute there may be as much as it holds, and what is filled into it.
			within := l
			if used == kept {
				within.Limit *= 2
			}
			within.Remaining = -1
			on(heard.Model).take(&within)
		default:
			l.Refills = l.Per >= time.Hour && even(&l)
			if calendar := calendarOf(heard.Model, l); calendar != "" {
				s := on(calendar)
				s.take(&l)
				s.daily = calendar == scheduler.OfDay(heard.Model)
			}
			if l.Per >= time.Second && l.Per < time.Minute && !said(limits, l.Dimension, time.Minute) {
				// In a minute there may be as many times more, and no less.
				implied := l
				implied.Limit, implied.Remaining, implied.Per = l.Limit*int64(time.Minute/l.Per), -1, time.Minute
				on(heard.Model).take(&implied)
			}
		}
	}
	return all
}

// inForce returns what was said of limits, with what a key's own share of one leaves of it: the
// stricter of the two holds. A commitment's and a faster mode's refuse nothing: what they have no
// room for, the others have.
func inForce(all []ratelimits.Limit) []ratelimits.Limit {
	ofShares := func(l ratelimits.Limit) bool { return l.Tier == ratelimits.Share }
	if !slices.ContainsFunc(all, ofShares) {
		return all
	}
	held := slices.DeleteFunc(slices.Clone(all), ofShares)
	for _, share := range all {
		if !ofShares(share) {
			continue
		}
		share.Tier = ratelimits.Standard
		at := slices.IndexFunc(held, func(l ratelimits.Limit) bool {
			return l.Tier == ratelimits.Standard && l.Dimension == share.Dimension && l.Per == share.Per
		})
		if at < 0 {
			held = append(held, share)
			continue
		}
		whole := &held[at]
		if share.Limit > 0 && (whole.Limit <= 0 || share.Limit < whole.Limit) {
			whole.Limit = share.Limit
		}
		if share.Remaining >= 0 && (whole.Remaining < 0 || share.Remaining < whole.Remaining) {
			whole.Remaining, whole.Reset = share.Remaining, share.Reset
		}
	}
	return held
}

// calendarOf returns the calendar of a model that counts a limit of requests or tokens; empty: none
// does. What isn't known to be refilled without a break, nor at midnight, is kept to within any
// period of its length, which is safe whatever the provider does.
func calendarOf(model string, l ratelimits.Limit) string {
	switch {
	case l.Per == time.Minute:
		return model
	case l.Per < time.Second || l.Per > day:
		return ""
	case l.Per >= time.Hour && l.Refills:
		return scheduler.OfBucket(model, l.Per)
	case l.Per == day && l.Dimension == ratelimits.Requests && atMidnight(l.Reset):
		return scheduler.OfDay(model)
	}
	return scheduler.OfWindow(model, l.Per)
}

const day = 24 * time.Hour

// atMidnight reports whether an instant is that of a midnight of UTC, within two seconds: resets
// are told in whole seconds.
func atMidnight(t time.Time) bool {
	const around = 2 * time.Second
	return !t.IsZero() && t.Add(around).Sub(t.Add(around).Truncate(day)) <= 2*around
}

// said reports whether a limit of a dimension and period is among those that were.
func said(all []ratelimits.Limit, of ratelimits.Dimension, per time.Duration) bool {
	return slices.ContainsFunc(all, func(l ratelimits.Limit) bool {
		return l.Tier == ratelimits.Standard && l.Dimension == of && l.Per == per && l.Limit > 0
	})
}

// take notes a limit of requests or tokens.
func (s *standing) take(l *ratelimits.Limit) {
	if l.Dimension == ratelimits.Requests {
		s.requests = l
	} else {
		s.tokens = l
	}
}

// tokensOf returns which tokens a model's calendar counts: the input alone, where that is limited
// by itself.
func tokensOf(told []ratelimits.Limit) ratelimits.Dimension {
	for _, l := range told {
		if l.Dimension == ratelimits.InputTokens && l.Tier == ratelimits.Standard && !l.Named {
			return ratelimits.InputTokens
		}
	}
	return ratelimits.Tokens
}

// per returns the period of the limits.
func (s standing) per() time.Duration {
	if s.requests != nil {
		return s.requests.Per
	}
	return s.tokens.Per
}

// learned returns the limits that are to be learned of an answer to a request that was sent at an instant.
func (s standing) learned(c *scheduler.Calendar, rules *scheduler.Rules, now, sent scheduler.Instant) (l scheduler.Limits) {
	policy := rules.EffectiveLimits(c.Model)
	if s.requests != nil && s.daily {
		l.RPD = lesson(s.requests, c.Learned.RPD, policy.RPD, policy.RPDFrom, now, sent)
	} else if s.requests != nil {
		l.RPM = lesson(s.requests, c.Learned.RPM, policy.RPM, policy.RPMFrom, now, sent)
	}
	if s.tokens != nil {
		l.TPM = lesson(s.tokens, c.Learned.TPM, policy.TPM, policy.TPMFrom, now, sent)
	}
	return l
}

// lesson returns the limit that is to be learned; 0: none, for it is known today, or an operator
// has named one that is no higher, or a lower one was learned since the request was sent, or as it was:
// the limit may have fallen in between. If it has risen, the next answer says so too.
func lesson(l *ratelimits.Limit, known scheduler.LearnedLimit, policy int64, from scheduler.Source, now, sent scheduler.Instant) int64 {
	switch {
	case l.Limit <= 0:
		return 0
	case l.Limit > known.Limit && known.Limit > 0 && known.At >= sent:
		return 0
	case !from.Start() && policy != scheduler.Unlimited && policy <= l.Limit:
		return 0
	case known.Limit == l.Limit && scheduler.DayOf(known.At) == scheduler.DayOf(now):
		return 0
	}
	return l.Limit
}

// tells reports whether it is said how much of the limits is used.
func (s standing) tells() bool {
	return s.requests != nil && s.requests.Remaining >= 0 || s.tokens != nil && s.tokens.Remaining >= 0
}

// used returns how much of the limits is used, so long after it was said, at least.
func (s standing) used(later time.Duration) (h scheduler.Heard) {
	h.Model = s.calendar
	if s.requests != nil {
		h.Used.Requests = left(s.requests, later)
	}
	if s.tokens != nil {
		h.Used.Tokens, h.Noise = left(s.tokens, later), s.tokens.Limit/noise
	}
	return h
}

// left returns what is left of what was used of a limit after a while in which it has been filled
// evenly.
func left(l *ratelimits.Limit, later time.Duration) int64 {
	if atMidnight(l.Reset) {
		return l.Used()
	}
	filled := int64(float64(l.Limit) * min(1, float64(later)/float64(l.Per)))
	return max(0, l.Used()-filled)
}
