package lesson

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// A Refusal is one thing that upstream can say, as far as it makes a difference to
// what is learned. The class of an error and the request it answers tell which.
type Refusal string

const (
	DayOver        Refusal = "the model's day is over"
	MinuteFull     Refusal = "a limit per minute is reached"
	NoQuota        Refusal = "limit 0"
	Bare           Refusal = "429 that names no limit"
	BareFeature    Refusal = "429 that names nothing, to a request with a feature"
	PlanFeature    Refusal = "429 that names the project's plan and no limit, to a request with a feature"
	ForeignQuota   Refusal = "429 that names the quota of something else than the model's requests and input tokens, to a request with a feature"
	StrangeQuota   Refusal = "429 that names such a quota, to any other request"
	Spend          Refusal = "spending too fast"
	Billing        Refusal = "credits or spending cap used up"
	KeySpent       Refusal = "what the key's own part of the project may spend is used up"
	NoFreeTier     Refusal = "no free tier in this country"
	ProjectDenied  Refusal = "the project is denied access"
	Denied         Refusal = "no permission, to plain text"
	DeniedFeature  Refusal = "no permission, to a request with a feature"
	DeniedContent  Refusal = "no permission, to a request with more than text"
	APIOff         Refusal = "the API is switched off in the project, and a free call confirms it"
	KeyInvalid     Refusal = "the key is invalid, and a free call confirms it"
	KeyUnconfirmed Refusal = "the key is invalid, and no free call confirms it"
	KeyFeature     Refusal = "the key is invalid, and no free call confirms it, to a request with a feature"
	KeyContent     Refusal = "the key is invalid, and no free call confirms it, to a request with more than text"
	ModelGone      Refusal = "the model is gone for this project"
	ModelUnknown   Refusal = "there is no such model"
	CallersFault   Refusal = "the request is at fault"
	ServerFailed   Refusal = "upstream failed, or wasn't reached"
	NoAnswer       Refusal = "success without an answer"
	Broken         Refusal = "sent in full, and then no answer"
	TimedOut       Refusal = "no answer in time"
	GaveUp         Refusal = "our own caller left"
)

// A Scope is whom a refusal concerns: who else loses a turn by it.
type Scope string

const (
	ThisRequest  Scope = "this request"
	ThisCaller   Scope = "this caller's mistake"
	OneFeature   Scope = "a feature on a project"
	OneModel     Scope = "a model on a project"
	WholeProject Scope = "a project"
	OneAccount   Scope = "a billing account: every project that declares it, or was refused together with one before"
	OneKey       Scope = "a key"
)

// A Span is for how long those whom a refusal concerns are left alone.
type Span string

const (
	NotAtAll      Span = ""
	UntilMidnight Span = "until Pacific midnight, whatever delay is named"
	AsTold        Span = "as long as it says, at most a window, then tried by one request"
	AsBilled      Span = "as long as it says, at most a window, or 30 s where it doesn't; then tried by one request of each project; doubled with each in a row, at most an hour"
	Growing       Span = "5 s, doubled with each in a row, at most 5 min"
	Pausing       Span = "30 s, doubled with each in a row, at most an hour; then tried by one request"
	AsNamed       Span = "until Pacific midnight, or as long as it says, if it names a day or a minute and a limit; else like that"
	OnceShown     Span = "once another project has answered the same request, twice in a row: 5 s, doubled with each in a row, at most 5 min"
	SomeMinutes   Span = "10 min"
	ADay          Span = "24 h"
	UntilProved   Span = "until a real request passes: one is tried after 5 min, then after twice as long, at most an hour"
	UntilValid    Span = "until a check finds the key valid, each by itself"
)

// A Sequel is what becomes of the request itself.
type Sequel string

const (
	Ends      Sequel = "ends"
	Elsewhere Sequel = "goes elsewhere, as often as something is left"
	Limited   Sequel = "goes elsewhere, at most 15 times"
	Doubtful  Sequel = "goes elsewhere, three sends in all"
	FailsOver Sequel = "goes elsewhere if there is room now, three sends in all"
	Resends   Sequel = "goes elsewhere like that only if the caller or a setting has it resent"
)

// A Message is what the caller is told where nothing else serves the request.
type Message string

const (
	UpstreamsWords Message = "what upstream said"
	OurWait        Message = "our exact wait, or the best that is known"
	NotTheirs      Message = "503: the keys are ours"
	WhatWeKnow     Message = "502 or 504: it may have been served"
)

// A Lesson is one row of the table of lessons.
type Lesson struct {
	Concerns  Scope
	Lasts     Span
	Then      Sequel
	Told      Message
	LeavesOut bool // the request itself goes to that project no more, whatever is kept
}

// Table is what is made of everything that upstream can say. A lesson is kept no
// wider and no longer than what was refused: who isn't in the scope loses nothing.
var Table = map[Refusal]Lesson{
	DayOver:        {OneModel, UntilMidnight, Elsewhere, OurWait, false},
	MinuteFull:     {OneModel, AsTold, Limited, OurWait, false},
	NoQuota:        {OneModel, ADay, Elsewhere, UpstreamsWords, false},
	Bare:           {OneModel, Growing, Doubtful, OurWait, false},
	BareFeature:    {OneFeature, Pausing, Doubtful, UpstreamsWords, false},
	PlanFeature:    {OneFeature, Pausing, Limited, UpstreamsWords, false},
	ForeignQuota:   {OneFeature, AsNamed, Limited, UpstreamsWords, false},
	StrangeQuota:   {ThisRequest, NotAtAll, Doubtful, UpstreamsWords, true},
	Spend:          {OneAccount, AsBilled, Limited, OurWait, false},
	Billing:        {WholeProject, UntilProved, Elsewhere, NotTheirs, false},
	KeySpent:       {OneKey, UntilProved, Elsewhere, NotTheirs, false},
	NoFreeTier:     {WholeProject, UntilProved, Elsewhere, UpstreamsWords, false},
	ProjectDenied:  {WholeProject, UntilProved, Elsewhere, NotTheirs, false},
	Denied:         {OneModel, SomeMinutes, Limited, UpstreamsWords, false},
	DeniedFeature:  {OneFeature, Pausing, Doubtful, UpstreamsWords, false},
	DeniedContent:  {ThisRequest, NotAtAll, Doubtful, UpstreamsWords, true},
	APIOff:         {WholeProject, UntilValid, Elsewhere, NotTheirs, false},
	KeyInvalid:     {OneKey, UntilValid, Elsewhere, NotTheirs, false},
	KeyUnconfirmed: {OneModel, Growing, Doubtful, NotTheirs, true},
	KeyFeature:     {OneFeature, Pausing, Doubtful, NotTheirs, false},
	KeyContent:     {ThisRequest, NotAtAll, Doubtful, NotTheirs, true},
	ModelGone:      {OneModel, ADay, Elsewhere, UpstreamsWords, false},
	ModelUnknown:   {ThisRequest, NotAtAll, Elsewhere, UpstreamsWords, false},
	CallersFault:   {ThisCaller, NotAtAll, Ends, UpstreamsWords, false},
	ServerFailed:   {ThisRequest, NotAtAll, FailsOver, UpstreamsWords, true},
	NoAnswer:       {OneModel, OnceShown, FailsOver, UpstreamsWords, true},
	Broken:         {ThisRequest, NotAtAll, Resends, WhatWeKnow, true},
	TimedOut:       {ThisRequest, NotAtAll, Ends, WhatWeKnow, false},
	GaveUp:         {ThisRequest, NotAtAll, Ends, WhatWeKnow, false},
}

// The spans, as far as they are kept here: what grows is the scheduler's.
const (
	// GoneFor is how long a model without quota, or retired, is left alone on a
	// project before it is tried again; DeniedFor one that a project may not use.
	GoneFor   = 24 * time.Hour
	DeniedFor = 10 * time.Minute
	// LongestMinute is the most that a refusal per minute is believed, whatever delay
	// it names: no minute lasts longer.
	LongestMinute = scheduler.Window
	// RoundedDown is the most by which upstream's delays are too short: they are
	// cut to whole seconds.
	RoundedDown = time.Second
)

// Of says what an error means as the answer to a request, which asks for a feature with a
// quota of its own or not, and refers to nothing but its text or not.
func Of(e *upstream.Error, asksFeature, textOnly bool) Refusal {
	switch e.Class {
	case upstream.ClassDay:
		return DayOver
	case upstream.ClassMinute:
		return MinuteFull
	case upstream.ClassNoQuota:
		return NoQuota
	case upstream.ClassBare429:
		switch {
		case !asksFeature:
			return Bare
		case e.Reason == upstream.ReasonPlan:
			return PlanFeature
		}
		return BareFeature
	case upstream.ClassForeignQuota:
		if asksFeature {
			return ForeignQuota
		}
		return StrangeQuota
	case upstream.ClassSpend:
		return Spend
	case upstream.ClassBilling:
		if e.Reason == upstream.ReasonSpendLimit {
			return KeySpent
		}
		return Billing
	case upstream.ClassProject:
		if e.Reason == upstream.ReasonDenied {
			return ProjectDenied
		}
		return NoFreeTier
	case upstream.ClassKeyInvalid:
		if e.Reason == upstream.ReasonAPIOff {
			return APIOff
		}
		return KeyInvalid
	case upstream.ClassDenied:
		kinds := [3]Refusal{KeyUnconfirmed, KeyFeature, KeyContent}
		if e.Reason == upstream.ReasonPermission {
			kinds = [3]Refusal{Denied, DeniedFeature, DeniedContent}
		}
		switch {
		case asksFeature:
			return kinds[1]
		case !textOnly:
			return kinds[2]
		}
		return kinds[0]
	case upstream.ClassModelGone:
		return ModelGone
	case upstream.ClassModelUnknown:
		return ModelUnknown
	case upstream.ClassServer:
		if e.Reason == upstream.ReasonNoAnswer {
			return NoAnswer
		}
		return ServerFailed
	case upstream.ClassBroken:
		return Broken
	case upstream.ClassTimeout:
		return TimedOut
	case upstream.ClassCanceled:
		return GaveUp
	}
	return CallersFault
}

// OfLimits reports whether a refusal says that a limit of the model is reached, or may say so: the answer to what
// tests one.
func OfLimits(r Refusal) bool { return r == DayOver || r == MinuteFull || r == Bare }

// OfItself reports whether a refusal concerns a model whoever shares its limits.
func OfItself(r Refusal) bool { return r == ModelGone || r == Denied }

// LimitOf returns the limit of that kind, and its name; nil: none is kept.
func LimitOf(l *scheduler.Limits, kind upstream.Kind) (scheduler.Cause, *int64) {
	switch kind {
	case upstream.RequestsPerMinute:
		return scheduler.ByRPM, &l.RPM
	case upstream.TokensPerMinute:
		return scheduler.ByTPM, &l.TPM
	case upstream.RequestsPerDay:
		return scheduler.ByRPD, &l.RPD
	}
	return scheduler.NoCause, nil
}

// BlockFor returns what keeps every start of a model on a project away after a
// refusal that concerns it; none otherwise.
func BlockFor(l Lesson, e *upstream.Error, now scheduler.Instant) scheduler.Block {
	switch l.Lasts {
	case UntilMidnight:
		return scheduler.Block{Cause: scheduler.ByDay}
	case AsBilled:
		if e.RetryDelay == 0 {
			return scheduler.Block{Cause: scheduler.ByBare}
		}
		return scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(min(e.RetryDelay, LongestMinute) + RoundedDown)}
	case AsTold:
		switch {
		case e.RetryDelay == 0:
			// It doesn't say how long, so it is treated as one that says nothing.
			return scheduler.Block{Cause: scheduler.ByBare}
		case e.Provider != "":
			// Others have limits of hours and of days, and say when there is room again.
			return scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(e.RetryDelay + RoundedDown)}
		case e.RetryDelay > LongestMinute:
			return scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(LongestMinute + RoundedDown), Strikes: Disbelieved}
		}
		return scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(e.RetryDelay + RoundedDown)}
	case Growing:
		return scheduler.Block{Cause: scheduler.ByBare}
	case Pausing:
		return scheduler.Block{Cause: scheduler.ByBare, Until: now.Add(e.RetryDelay)}
	case ADay:
		return scheduler.Block{Cause: scheduler.Unavailable, Until: now.Add(GoneFor)}
	case SomeMinutes:
		return scheduler.Block{Cause: scheduler.Unavailable, Until: now.Add(DeniedFor)}
	}
	return scheduler.Block{}
}

// Disbelieved marks, by its strikes, a block per minute that is shorter than what
// upstream named: when it is over one request is tried before the others.
const Disbelieved = 1

// Final reports whether an error of upstream's is the answer where nothing else is
// left. One that says that a model isn't to be had answers those who asked for that
// model; the chain's models were asked for by nobody.
func (l Lesson) Final(pinned bool) bool {
	return l.Told == UpstreamsWords && (pinned || l.LeavesOut || l.Concerns != OneModel && l.Concerns != ThisRequest)
}

// BeyondModel reports whether an error says that a model can't do what is asked, where another may:
// "Function calling is not enabled for models/gemma-3-12b-it" (captured; so are "Developer
// instruction …" and "JSON mode …"). Across providers another may also take what is too long for
// one, or a member that one doesn't know.
func BeyondModel(e *upstream.Error, across bool) bool {
	switch {
	case e.Class != upstream.ClassCaller:
		return false
	case strings.Contains(e.Message, "is not enabled for models/"):
		return true
	}
	return across && (slices.Contains(beyond, e.Reason) || e.HTTPStatus == http.StatusRequestEntityTooLarge ||
		strings.HasPrefix(e.Message, "prompt is too long") || // Anthropic's, captured
		strings.HasPrefix(e.Message, "Argument not supported on this model: ") || unsupported.MatchString(e.Message))
}

// unsupported is how xAI says that a model doesn't know a member (captured); until 2025 it had the other words.
var unsupported = regexp.MustCompile(`^Model \S+ does not support parameter `)

// beyond are reasons of errors about what a model can't do: OpenAI's and of those that speak like
// it, Mistral's among them (captured), and Gemini's.
var beyond = []string{"context_length_exceeded", "unsupported_parameter", "unsupported_value", "extra_forbidden", upstream.ReasonInputTooLarge}
