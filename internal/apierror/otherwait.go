package apierror

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// ofOther names the limit of another provider's model that stands in the way, in the words that
// this provider has for it: clients look for them. The details are ours, in Google's shape.
func (w *Wait) ofOther() (v violation, message string) {
	provider, name, _ := strings.Cut(w.Model, "/")
	if w.Cause.OfBlock() {
		return w.ofAnswer(provider, name)
	}
	limit, what, period := w.counted(provider == "anthropic")
	rate := what + " per " + period
	if period == atATime {
		rate = what + " " + period
	}
	v = violation{
		Metric:     "fluxgate.dev/" + strings.ReplaceAll(what, " ", "_") + "_per_model",
		ID:         inTitle(rate) + "PerProjectPerModel",
		Dimensions: map[string]string{"provider": provider, "model": name},
	}
	many, said := "", ""
	if limit > 0 { // it may be unlimited as far as we know, and busy all the same
		v.Value = strconv.FormatInt(limit, 10)
		many, said = v.Value+" ", ": Limit "+v.Value
	}
	if provider == "anthropic" {
		return v, fmt.Sprintf("This request would exceed the rate limit of %s%s (model: %s).", many, rate, name)
	}
	return v, fmt.Sprintf("Rate limit reached for %s on %s%s%s.", w.Model, rate, abbreviation(what, period), said)
}

// ofAnswer says that it is an answer of the provider's that stands in the way. It names no number:
// what was reached may be a limit that isn't known here.
func (w *Wait) ofAnswer(provider, name string) (v violation, message string) {
	v = violation{
		Metric:     "fluxgate.dev/answers_per_model",
		ID:         "AnswersPerProjectPerModel",
		Dimensions: map[string]string{"provider": provider, "model": name},
	}
	said := "refused a request and didn't say for how long"
	if w.Cause == scheduler.ByMinute {
		said = "says how long to wait"
	}
	if provider == "anthropic" {
		return v, fmt.Sprintf("This request would exceed the rate limit of anthropic (model: %s), whose own answer %s.", name, said)
	}
	return v, fmt.Sprintf("Rate limit reached for %s: %s's own answer %s.", w.Model, provider, said)
}

const atATime = "at a time"

// counted says what stands in the way: how many of what there may be, in which time.
func (w *Wait) counted(inputApart bool) (limit int64, what, period string) {
	limit, what, period = w.Limits.RPM, "requests", "minute"
	switch {
	case w.On == scheduler.OfOutputs(w.Model):
		return w.Limits.TPM, "output tokens", period
	case w.On == scheduler.OfInputs(w.Model):
		return w.Limits.TPM, "input tokens", period
	case w.On == scheduler.OfPlaces(w.Model):
		return limit, what, atATime
	case w.On == scheduler.OfDay(w.Model), w.Cause.Daily(), w.Cause == scheduler.ByTest:
		return w.Limits.RPD, what, "day"
	case w.Cause == scheduler.ByTPM:
		limit, what = w.Limits.TPM, "tokens"
		if inputApart {
			what = "input tokens"
		}
	}
	for _, per := range scheduler.WindowPeriods() {
		if w.On == scheduler.OfWindow(w.Model, per) {
			period = inWordsOf(per)
		}
	}
	for _, per := range scheduler.BucketPeriods() {
		if w.On == scheduler.OfBucket(w.Model, per) {
			period = inWordsOf(per)
		}
	}
	return limit, what, period
}

// inWordsOf is how providers call a period.
func inWordsOf(per time.Duration) string {
	switch per {
	case time.Second:
		return "second"
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	case 24 * time.Hour:
		return "day"
	}
	return strconv.FormatFloat(per.Seconds(), 'f', -1, 64) + " seconds"
}

// abbreviation is how providers shorten a limit's name, such as " (RPM)"; empty: they don't.
func abbreviation(what, period string) string {
	if strings.Contains(period, " ") { // at a time, or such as 10 seconds
		return ""
	}
	short := ""
	for word := range strings.SplitSeq(what, " ") {
		short += strings.ToUpper(word[:1])
	}
	return " (" + short + "P" + strings.ToUpper(period[:1]) + ")"
}

// inTitle joins the words of a text, each with a capital letter.
func inTitle(text string) (joined string) {
	for word := range strings.FieldsSeq(text) {
		joined += strings.ToUpper(word[:1]) + word[1:]
	}
	return joined
}
