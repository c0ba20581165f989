package quota

import (
	"time"
	_ "time/tzdata" // the day is Pacific wherever this runs
)

// pacific is where days of quota begin and end.
var pacific = func() *time.Location {
	loc, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic("quota: the embedded time zone database is broken: " + err.Error())
	}
	return loc
}()

// nextMidnight returns the first Pacific midnight after now. Clocks change at
// 2 a.m. there, so midnight exists, once, on every day.
func nextMidnight(now int64) int64 {
	y, m, d := time.Unix(0, now).In(pacific).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, pacific).UnixNano()
}

// limitKind names a limit that was hit.
type limitKind int

const (
	perMinuteRequests limitKind = iota
	perMinuteTokens
	perDayRequests
	perDayTokens // only of models without any quota
)

// violation is one reason to refuse a request.
type violation struct {
	kind    limitKind
	feature Feature       // whose limit it is; noFeature: the model's
	limit   int64         // zero: no quota at all
	wait    time.Duration // until this limit has room; zero if no wait within the day helps
}

// bucket holds what one project has used of one model.
type bucket struct {
	quota
	embed    bool // named differently in errors
	requests window
	tokens   window
	last     int64 // latest instant seen
	dayEnd   int64
	dayUsed  int64
}

func newBucket(w Window, q quota, embed bool) *bucket {
	return &bucket{quota: q, embed: embed, requests: newWindow(w), tokens: newWindow(w)}
}

// arrive turns the instant of an arrival into one that is not before those
// seen earlier: two bodies may be read in one order and tokenised in another.
func (b *bucket) arrive(at time.Time) int64 {
	b.last = max(b.last, at.UnixNano())
	return b.last
}

// refuse returns all the limits that have no room for a request (requests > 1: a batch of
// texts, or several images).
func (b *bucket) refuse(now, requests, tokens int64, rejectOversize bool) []violation {
	if b.none {
		return []violation{{kind: perDayRequests}, {kind: perMinuteRequests}, {kind: perMinuteTokens}, {kind: perDayTokens}}
	}
	if now >= b.dayEnd {
		b.dayEnd, b.dayUsed = nextMidnight(now), 0
	}
	var refused []violation
	// A batch of more texts than RPM can't be served in any minute.
	if v, hit := check(b.requests, now, requests, b.RPM, true); hit {
		v.kind = perMinuteRequests
		refused = append(refused, v)
	}
	if v, hit := check(b.tokens, now, tokens, b.TPM, rejectOversize); hit {
		v.kind = perMinuteTokens
		refused = append(refused, v)
	}
	if b.RPD >= 0 && b.dayUsed+requests > b.RPD {
		refused = append(refused, violation{kind: perDayRequests, limit: b.RPD})
	}
	return refused
}

// add counts a request that no limit refuses.
func (b *bucket) add(now, requests, tokens int64) {
	b.requests.add(now, requests, b.RPM)
	b.tokens.add(now, tokens, b.TPM)
	b.dayUsed += requests
}

// check tells whether a limit per minute is in the way of n more.
func check(w window, now, n, limit int64, rejectOversize bool) (v violation, hit bool) {
	switch {
	case limit < 0:
		return v, false
	case limit == 0:
		return violation{}, true
	case n > limit && rejectOversize:
		return violation{limit: limit, wait: time.Minute}, true
	}
	wait := w.wait(now, n, limit)
	return violation{limit: limit, wait: wait}, wait > 0
}
