package limits

import (
	"strconv"
	"strings"
	"time"
)

// Calendars beside a model's say by their names how they count it:
//
//	#outputs/MODEL          the tokens that it puts out, within a minute
//	#inputs/MODEL           those of its input alone, refilled without a break within a minute
//	#window/SECONDS/MODEL   its requests and tokens within any period of that length
//	#bucket/SECONDS/MODEL   the same, refilled without a break
//	#day/MODEL              its requests on a day of UTC
//	#places/MODEL           its requests at a time
//	#used/MODEL             its tokens, in and out, as they are used, refilled without a break within a minute
//
// So what a provider's answers say of its limits needs nothing but a name to be counted by. A
// model named PROVIDER/* stands for each of the provider's in [Rules].Specs.
const (
	kindOutputs = "outputs"
	kindInputs  = "inputs"
	kindWindow  = "window"
	kindBucket  = "bucket"
	kindDay     = "day"
	kindPlaces  = "places"
	kindUsed    = "used"
)

// WindowPeriods are the periods that windows beside a model's minute may have, BucketPeriods those
// of buckets: those that providers are known to have.
func WindowPeriods() []time.Duration {
	return []time.Duration{time.Second, 10 * time.Second, time.Hour, 24 * time.Hour}
}

// BucketPeriods are explained at WindowPeriods.
func BucketPeriods() []time.Duration {
	return []time.Duration{time.Minute, time.Hour, 24 * time.Hour}
}

// PlaceFor is how long a request that is never settled, for its instance is gone, takes one of the
// places that there are at a time: as long as one may last at most
// (https://cloud.google.com/run/docs/configuring/request-timeout has an hour; clients give up
// after ten minutes, as OpenAI's and Anthropic's SDKs do).
const PlaceFor = 10 * time.Minute

// OfOutputs names the calendar whose tokens are what a model puts out. Of other providers' models
// they are filled without a break and counted as they are produced
// (https://docs.claude.com/en/api/rate-limits), unless a [Spec] says otherwise.
func OfOutputs(model string) string { return beside(kindOutputs, model) }

// OfInputs names that of the tokens of a model's input, where these have a limit beside that of the model's input and output.
func OfInputs(model string) string { return beside(kindInputs, model) }

// OfWindow names the calendar of what is sent to a model within any period of that length, in
// whole seconds.
func OfWindow(model string, per time.Duration) string {
	return beside(kindWindow, inSeconds(per)+"/"+model)
}

// OfBucket names that of what is refilled without a break, as much in such a period as it holds.
func OfBucket(model string, per time.Duration) string {
	return beside(kindBucket, inSeconds(per)+"/"+model)
}

// OfDay names that of a day, which ends at a midnight of UTC, unless a [Spec] has another zone.
func OfDay(model string) string { return beside(kindDay, model) }

// OfPlaces names that of how many requests are under way at a time.
func OfPlaces(model string) string { return beside(kindPlaces, model) }

// OfUsed names that of the tokens of a model, its input and its output, that count as they are used and
// are refilled without a break. Of what may be put out, and wasn't, nothing is lost in a bucket; in a
// window it would be until more than that leaves it.
func OfUsed(model string) string { return beside(kindUsed, model) }

func beside(kind, rest string) string { return string(notModel) + kind + "/" + rest }

func inSeconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// A besideModel is what such a name says.
type besideModel struct {
	kind, model string
	per         time.Duration // of a window or a bucket
}

// readBeside reads a name, and reports whether it is one of these.
func readBeside(name string) (b besideModel, ok bool) {
	rest, ok := strings.CutPrefix(name, string(notModel))
	if !ok {
		return b, false
	}
	b.kind, b.model, ok = strings.Cut(rest, "/")
	switch b.kind {
	case kindOutputs, kindInputs, kindDay, kindPlaces, kindUsed:
		return b, ok
	case kindWindow, kindBucket:
		var seconds string
		seconds, b.model, ok = strings.Cut(b.model, "/")
		n, err := strconv.ParseInt(seconds, 10, 32)
		b.per = time.Duration(n) * time.Second
		return b, ok && err == nil && n > 0
	}
	return b, false
}

// CountsSent returns the model of which a calendar counts what is sent, within a window or out of a bucket,
// by the calendar's name.
func CountsSent(name string) (model string, ok bool) {
	b, ok := readBeside(name)
	return b.model, ok && (b.kind == kindWindow || b.kind == kindBucket || b.kind == kindUsed)
}

// CountsOpen returns the model of which a calendar counts what is under way, by the calendar's name.
func CountsOpen(name string) (model string, ok bool) {
	b, ok := readBeside(name)
	return b.model, ok && b.kind == kindPlaces
}

// Within returns limits of a model's minute and day that those of a calendar beside it hold within, where there
// is no place for that; false: there are none. Any period of a day's length lies on two days, or less of one.
func (r *Rules) Within(name string, l EffectiveLimits) (held Limits, ok bool) {
	held = Limits{RPM: Unlimited, TPM: Unlimited, RPD: Unlimited}
	if l.Limits == held {
		return held, true
	}
	b, ok := readBeside(name)
	s := r.Spec(name)
	if !ok || s.AtATime || b.kind == kindOutputs {
		return held, false
	}
	if s.Refill {
		full, rate := s.Bucket(l)
		l.RPM, l.TPM = min(full.Requests, rate.RPM), min(full.Tokens, rate.TPM)
	}
	perMinute := func(n int64) int64 {
		if n == Unlimited || s.Window <= Window {
			return n
		}
		return n * int64(Window) / int64(s.Window)
	}
	held.RPM, held.TPM = perMinute(l.RPM), perMinute(l.TPM)
	if l.RPD != Unlimited {
		held.RPD = l.RPD / 2
	}
	if held.RPM == 0 && s.Window >= 24*time.Hour {
		held.RPM, held.RPD = Unlimited, held.Stricter(Limits{RPM: Unlimited, TPM: Unlimited, RPD: l.RPM / 2}).RPD
	}
	return held, held.RPM != 0 && held.TPM != 0 && held.RPD != 0
}

// Stricter returns of each limit the lower one.
func (l Limits) Stricter(o Limits) Limits {
	lower := func(a, b int64) int64 {
		if a == Unlimited || b != Unlimited && b < a {
			return b
		}
		return a
	}
	return Limits{RPM: lower(l.RPM, o.RPM), TPM: lower(l.TPM, o.TPM), RPD: lower(l.RPD, o.RPD)}
}

// OfOther reports whether a calendar is one beside the model of another provider than Gemini.
func OfOther(name string) bool {
	b, ok := readBeside(name)
	return ok && FamilyOf(b.model) == Foreign
}

// forEach returns the name that stands for a calendar's in [Rules].Specs, where that has what holds
// for each of a provider's models; empty: none.
func (b besideModel) forEach() string {
	provider, _, ok := strings.Cut(b.model, "/")
	if !ok {
		return ""
	}
	each := provider + "/" + EachModel
	switch b.kind {
	case kindWindow:
		return OfWindow(each, b.per)
	case kindBucket:
		return OfBucket(each, b.per)
	}
	return beside(b.kind, each)
}

// spec returns what is counted, as far as the name says it.
func (b besideModel) spec() (s Spec) {
	switch b.kind {
	case kindOutputs:
		s.Refill = FamilyOf(b.model) == Foreign
		s.AtAnswer = s.Refill
	case kindInputs:
		s.Refill = true
	case kindUsed:
		s.Refill, s.AtAnswer, s.InputToo = true, true, true
	case kindDay:
		s.Zone = time.UTC
	case kindPlaces:
		s.Window, s.AtATime, s.AtAnswer = PlaceFor, true, true
	default:
		s.Window, s.Refill = b.per, b.kind == kindBucket
	}
	return s
}

// String is how the calendar is called to people.
func (b besideModel) String() string {
	switch b.kind {
	case kindOutputs:
		return "output of " + b.model
	case kindInputs:
		return "input of " + b.model
	case kindDay:
		return b.model + " in a day"
	case kindPlaces:
		return b.model + " at a time"
	case kindUsed:
		return "tokens of " + b.model + " as they are used"
	}
	per := b.per.String()
	for _, zero := range []string{"m0s", "h0m"} { // 24h0m0s
		if strings.HasSuffix(per, zero) {
			per = per[:len(per)-2]
		}
	}
	return b.model + " in " + per
}
