package sharing

import "strings"

// A Kind is what is known of a request that may have it count on other limits than most for its model.
type Kind struct {
	Fast  bool  // it asks for Anthropic's fast mode
	Input int64 // its tokens, as they are estimated
}

// The ends of the names of what counts on other limits than its model, and of a model alone where others are counted by its
// name, which no model has.
const (
	fastEnd   = ":fast"
	longEnd   = ":long"
	itselfEnd = ":itself"
)

// A Table is what is known of providers, by their names.
type Table map[string]Provider

// A Provider is what is known of one.
type Provider struct {
	named List // by an operator
	known known
}

// Of returns what is known of a provider, and what somebody has named of it. Who speaks Anthropic's
// format is taken to count Anthropic's models as Anthropic does.
func Of(name string, speaksAnthropic bool, named List) Provider {
	switch {
	case speaksAnthropic:
		return Provider{named, anthropic}
	case name == "openai":
		return Provider{named, openAI}
	}
	return Provider{named: named}
}

// Counted returns the name by which requests of a kind for a model are counted. Both have the name
// of the provider before them; Gemini's have none, and are counted as they are called here.
func (t Table) Counted(model string, k Kind) string {
	provider, own, ok := strings.Cut(model, "/")
	p, known := t[provider]
	if !ok || !known || Fast(own) || strings.HasSuffix(own, longEnd) {
		return model
	}
	plain := own
	if p.known.dated != nil {
		plain = p.known.dated.ReplaceAllString(own, "")
	}
	switch {
	case k.Fast && p.known.fast.has(plain):
		return provider + "/" + plain + fastEnd
	case p.known.isLong(plain, k.Input):
		return provider + "/" + p.group(own, plain) + longEnd
	}
	return provider + "/" + p.group(own, plain)
}

// Itself returns the name by which it is kept that a model isn't to be had: its own, unless others may be counted by that.
func (t Table) Itself(model string) string {
	provider, own, _ := strings.Cut(model, "/")
	p, known := t[provider]
	if !known || t.Counted(model, Kind{}) != model || p.known.dated == nil && !p.named.counts(own) {
		return model
	}
	return model + itselfEnd
}

// group returns the name by which a model is counted, by its own name and by that without a date.
func (p Provider) group(own, plain string) string {
	for _, l := range []List{p.named, p.known.shared} {
		for _, name := range [2]string{own, plain} {
			if counted := l.counted(name); counted != "" {
				return counted
			}
		}
	}
	return plain
}

func (k known) isLong(model string, input int64) bool {
	for _, l := range k.long {
		if input > l.above && l.models.has(model) {
			return true
		}
	}
	return false
}

// Fast reports whether what is counted by a name is in fast mode.
func Fast(counted string) bool { return strings.HasSuffix(counted, fastEnd) }
