package dispatch

import (
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// A refusal is one thing that upstream can say, as far as it makes a difference to
// what is learned. The class of an error and the request it answers tell which.
type refusal string

const (
	dayOver        refusal = "the model's day is over"
	minuteFull     refusal = "a limit per minute is reached"
	noQuota        refusal = "limit 0"
	bare           refusal = "429 that names no limit"
	bareFeature    refusal = "429 that names no limit, to a request with a feature"
	foreignQuota   refusal = "429 that names the quota of something else than the model's requests and input tokens, to a request with a feature"
	strangeQuota   refusal = "429 that names such a quota, to any other request"
	spend          refusal = "spending too fast"
	billing        refusal = "credits or spending cap used up"
	noFreeTier     refusal = "no free tier in this country"
	denied         refusal = "no permission, to plain text"
	deniedFeature  refusal = "no permission, to a request with a feature"
	deniedContent  refusal = "no permission, to a request with more than text"
	keyInvalid     refusal = "the key is invalid, and a free call confirms it"
	keyUnconfirmed refusal = "the key is invalid, and no free call confirms it"
	keyFeature     refusal = "the key is invalid, and no free call confirms it, to a request with a feature"
	keyContent     refusal = "the key is invalid, and no free call confirms it, to a request with more than text"
	modelGone      refusal = "the model is gone for this project"
	modelUnknown   refusal = "there is no such model"
	callersFault   refusal = "the request is at fault"
	serverFailed   refusal = "upstream failed, or wasn't reached"
	noAnswer       refusal = "success without an answer"
	broken         refusal = "sent in full, and then no answer"
	timedOut       refusal = "no answer in time"
	gaveUp         refusal = "our own caller left"
)

// A scope is whom a refusal concerns: who else loses a turn by it.
type scope string

const (
	thisRequest  scope = "this request"
	thisCaller   scope = "this caller's mistake"
	oneFeature   scope = "a feature on a project"
	oneModel     scope = "a model on a project"
	wholeProject scope = "a project"
	oneAccount   scope = "a billing account: every project that declares it, or was refused together with one before"
	oneKey       scope = "a key"
)

// A span is for how long those whom a refusal concerns are left alone.
type span string

const (
	notAtAll      span = ""
	untilMidnight span = "until Pacific midnight, whatever delay is named"
	asTold        span = "as long as it says, at most a window, then tried by one request"
	asBilled      span = "as long as it says, at most a window, or 30 s where it doesn't; then tried by one request of each project; doubled with each in a row, at most an hour"
	growing       span = "5 s, doubled with each in a row, at most 5 min"
	pausing       span = "30 s, doubled with each in a row, at most an hour; then tried by one request"
	asNamed       span = "until Pacific midnight, or as long as it says, if it names a day or a minute and a limit; else like that"
	onceShown     span = "once another project has answered the same request, twice in a row: 5 s, doubled with each in a row, at most 5 min"
	someMinutes   span = "10 min"
	aDay          span = "24 h"
	untilProved   span = "until a real request passes: one is tried after 5 min, then after twice as long, at most an hour"
	untilValid    span = "until a check finds the key valid"
)

// A sequel is what becomes of the request itself.
type sequel string

const (
	ends      sequel = "ends"
	elsewhere sequel = "goes elsewhere, as often as something is left"
	limited   sequel = "goes elsewhere, at most 15 times"
	doubtful  sequel = "goes elsewhere, three sends in all"
	failsOver sequel = "goes elsewhere if there is room now, three sends in all"
	resends   sequel = "goes elsewhere like that only if the caller or a setting has it resent"
)

// A message is what the caller is told where nothing else serves the request.
type message string

const (
	upstreamsWords message = "what upstream said"
	ourWait        message = "our exact wait, or the best that is known"
	notTheirs      message = "503: the keys are ours"
	whatWeKnow     message = "502 or 504: it may have been served"
)

// A lesson is one row of the table of lessons.
type lesson struct {
	concerns  scope
	lasts     span
	then      sequel
	told      message
	leavesOut bool // the request itself goes to that project no more, whatever is kept
}

// lessons is what is made of everything that upstream can say. A lesson is kept no
// wider and no longer than what was refused: who isn't in the scope loses nothing.
var lessons = map[refusal]lesson{
	dayOver:        {oneModel, untilMidnight, elsewhere, ourWait, false},
	minuteFull:     {oneModel, asTold, limited, ourWait, false},
	noQuota:        {oneModel, aDay, elsewhere, upstreamsWords, false},
	bare:           {oneModel, growing, doubtful, ourWait, false},
	bareFeature:    {oneFeature, pausing, doubtful, upstreamsWords, false},
	foreignQuota:   {oneFeature, asNamed, doubtful, upstreamsWords, false},
	strangeQuota:   {thisRequest, notAtAll, doubtful, upstreamsWords, true},
	spend:          {oneAccount, asBilled, limited, ourWait, false},
	billing:        {wholeProject, untilProved, elsewhere, notTheirs, false},
	noFreeTier:     {wholeProject, untilProved, elsewhere, upstreamsWords, false},
	denied:         {oneModel, someMinutes, limited, upstreamsWords, false},
	deniedFeature:  {oneFeature, pausing, doubtful, upstreamsWords, false},
	deniedContent:  {thisRequest, notAtAll, doubtful, upstreamsWords, true},
	keyInvalid:     {oneKey, untilValid, elsewhere, notTheirs, false},
	keyUnconfirmed: {oneModel, growing, doubtful, notTheirs, true},
	keyFeature:     {oneFeature, pausing, doubtful, notTheirs, false},
	keyContent:     {thisRequest, notAtAll, doubtful, notTheirs, true},
	modelGone:      {oneModel, aDay, elsewhere, upstreamsWords, false},
	modelUnknown:   {thisRequest, notAtAll, elsewhere, upstreamsWords, false},
	callersFault:   {thisCaller, notAtAll, ends, upstreamsWords, false},
	serverFailed:   {thisRequest, notAtAll, failsOver, upstreamsWords, true},
	noAnswer:       {oneModel, onceShown, failsOver, upstreamsWords, true},
	broken:         {thisRequest, notAtAll, resends, whatWeKnow, true},
	timedOut:       {thisRequest, notAtAll, ends, whatWeKnow, false},
	gaveUp:         {thisRequest, notAtAll, ends, whatWeKnow, false},
}

// The spans, as far as they are kept here: what grows is the scheduler's.
const (
	// goneFor is how long a model without quota, or retired, is left alone on a
	// project before it is tried again; deniedFor one that a project may not use.
	goneFor   = 24 * time.Hour
	deniedFor = 10 * time.Minute
	// longestMinute is the most that a refusal per minute is believed, whatever delay
	// it names: no minute lasts longer.
	longestMinute = scheduler.Window
	// roundedDown is the most by which upstream's delays are too short: they are
	// cut to whole seconds.
	roundedDown = time.Second
)

// refusalOf says what an error means as the answer to a call.
func (c *Call) refusalOf(e *upstream.Error) refusal {
	switch e.Class {
	case upstream.ClassDay:
		return dayOver
	case upstream.ClassMinute:
		return minuteFull
	case upstream.ClassNoQuota:
		return noQuota
	case upstream.ClassBare429:
		if c.asksFeature() {
			return bareFeature
		}
		return bare
	case upstream.ClassForeignQuota:
		if c.asksFeature() {
			return foreignQuota
		}
		return strangeQuota
	case upstream.ClassSpend:
		return spend
	case upstream.ClassBilling:
		return billing
	case upstream.ClassProject:
		return noFreeTier
	case upstream.ClassKeyInvalid:
		return keyInvalid
	case upstream.ClassDenied:
		kinds := [3]refusal{keyUnconfirmed, keyFeature, keyContent}
		if e.Reason == upstream.ReasonPermission {
			kinds = [3]refusal{denied, deniedFeature, deniedContent}
		}
		switch {
		case c.asksFeature():
			return kinds[1]
		case !c.textOnly:
			return kinds[2]
		}
		return kinds[0]
	case upstream.ClassModelGone:
		return modelGone
	case upstream.ClassModelUnknown:
		return modelUnknown
	case upstream.ClassServer:
		if e.Reason == upstream.ReasonNoAnswer {
			return noAnswer
		}
		return serverFailed
	case upstream.ClassBroken:
		return broken
	case upstream.ClassTimeout:
		return timedOut
	case upstream.ClassCanceled:
		return gaveUp
	}
	return callersFault
}

// blockFor returns what keeps every start of a model on a project away after a
// refusal that concerns it; none otherwise.
func blockFor(l lesson, e *upstream.Error, now scheduler.Instant) scheduler.Block {
	switch l.lasts {
	case untilMidnight:
		return scheduler.Block{Cause: scheduler.ByDay}
	case asBilled:
		if e.RetryDelay == 0 {
			return scheduler.Block{Cause: scheduler.ByBare}
		}
		return scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(min(e.RetryDelay, longestMinute) + roundedDown)}
	case asTold:
		switch {
		case e.RetryDelay == 0:
			// It doesn't say how long, so it is treated as one that says nothing.
			return scheduler.Block{Cause: scheduler.ByBare}
		case e.RetryDelay > longestMinute:
			return scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(longestMinute + roundedDown), Strikes: disbelieved}
		}
		return scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(e.RetryDelay + roundedDown)}
	case growing:
		return scheduler.Block{Cause: scheduler.ByBare}
	case pausing:
		return scheduler.Block{Cause: scheduler.ByBare, Until: now.Add(e.RetryDelay)}
	case aDay:
		return scheduler.Block{Cause: scheduler.Unavailable, Until: now.Add(goneFor)}
	case someMinutes:
		return scheduler.Block{Cause: scheduler.Unavailable, Until: now.Add(deniedFor)}
	}
	return scheduler.Block{}
}

// disbelieved marks, by its strikes, a block per minute that is shorter than what
// upstream named: when it is over one request is tried before the others.
const disbelieved = 1

// final reports whether an error of upstream's is the answer where nothing else is
// left. One that says that a model isn't to be had answers those who asked for that
// model; the chain's models were asked for by nobody.
func (l lesson) final(pinned bool) bool {
	return l.told == upstreamsWords && (pinned || l.leavesOut || l.concerns != oneModel && l.concerns != thisRequest)
}

// tooMany reports whether an error is one that says to come back later.
func tooMany(e *upstream.Error) bool { return e.HTTPStatus == http.StatusTooManyRequests }
