package providers

import (
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// Header names the provider of a request whose model doesn't say.
const Header = "X-Fluxgate-Provider"

// A List is the providers beside Gemini, in the order of the configuration.
type List []config.Provider

// A Question is what is known of a request.
type Question struct {
	Format string // that it speaks: config.FormatOpenAI, or config.FormatAnthropic
	Model  string // as it is spelt; empty: it names none
	Named  string // Header
	Chat   bool   // it is a chat completion, which some serve who speak otherwise
	// Has reports whether a provider has keys.
	Has func(provider string) bool
}

// A Choice is where a request goes.
type Choice struct {
	Provider string // upstream.Gemini, or one of the list
	Model    string // as the provider knows it
}

// Counted is the name under which the model is scheduled, and told: other providers' names have
// the provider's before them.
func (c Choice) Counted() string {
	if c.Provider == upstream.Gemini {
		return c.Model
	}
	return c.Provider + "/" + c.Model
}

// Choose returns the provider that a request goes to, among those that have keys. It fails with
// an *apierror.Problem where nothing says which, or where the model's name is none.
func (l List) Choose(q Question) (Choice, error) {
	able := l.Taking(q)
	if elsewhere := l.elsewhere(q, able); elsewhere != "" {
		return Choice{}, apierror.Invalid("model", elsewhere+" has it, and doesn't serve this route.")
	}
	if q.Format == config.FormatOpenAI && len(able) == 0 {
		return Choice{upstream.Gemini, q.Model}, nil // as it was before there were others
	}
	names := make([]string, len(able))
	for i, p := range able {
		names[i] = p.Name
	}
	gemini := q.Format == config.FormatOpenAI && q.Has(upstream.Gemini)
	if gemini {
		names = append([]string{upstream.Gemini}, names...)
	}
	// Some have models whose names begin like another provider's: the header says whose it is.
	if before, model, ok := strings.Cut(q.Model, "/"); ok && slices.Contains(names, before) && (q.Named == "" || q.Named == before) {
		return check(Choice{before, model})
	}
	switch {
	case q.Named != "" && !slices.Contains(names, q.Named):
		return Choice{}, errNamed(names)
	case q.Named != "":
		return check(Choice{q.Named, q.Model})
	case len(names) == 0:
		return Choice{}, errNobody
	}
	switch having := able.having(q.Model); {
	case len(having) == 1:
		return check(Choice{having[0], q.Model})
	case len(having) > 1:
		return Choice{}, apierror.Invalid("model", "several providers have it: put the name of one before it, as "+having[0]+"/….")
	case gemini:
		return Choice{upstream.Gemini, q.Model}, nil
	case len(names) == 1:
		return check(Choice{names[0], q.Model})
	}
	return Choice{}, apierror.Invalid("model", "put the name of its provider before it: one of "+strings.Join(names, ", ")+", and a slash.")
}

// elsewhere returns the provider with keys that has the model of a request in OpenAI's format and isn't able to
// serve it, where nobody else has that model: Gemini wouldn't know it. Empty: none.
func (l List) elsewhere(q Question, able List) string {
	if q.Format != config.FormatOpenAI || q.Named != "" || len(able.having(q.Model)) > 0 {
		return ""
	}
	before, _, _ := strings.Cut(q.Model, "/")
	for _, p := range l {
		named := before == p.Name && before != q.Model && (len(able) == 0 || q.Has(upstream.Gemini))
		if (named || has(p, q.Model) && q.Has(upstream.Gemini)) && q.Has(p.Name) && !slices.ContainsFunc(able, func(x config.Provider) bool { return x.Name == p.Name }) {
			return p.Name
		}
	}
	return ""
}

// having returns the names of the providers that have a model.
func (l List) having(model string) (names []string) {
	for _, p := range l {
		if has(p, model) {
			names = append(names, p.Name)
		}
	}
	return names
}

func has(p config.Provider, model string) bool {
	return slices.ContainsFunc(p.Models, func(pattern string) bool { return matches(pattern, model) })
}

// Counted is the name under which a model is scheduled that one provider alone has, of those with
// keys: other names are as they were.
func (l List) Counted(model string, keyed func(provider string) bool) string {
	counted := model
	for _, p := range l {
		switch {
		case !keyed(p.Name) || !has(p, model):
		case counted != model:
			return model // another has it too
		default:
			counted = Choice{p.Name, model}.Counted()
		}
	}
	return counted
}

// Among returns the names of the providers that a request without a model may go to: the one that
// it names, or all that have keys and speak its format, Gemini first where that serves it too.
// None is Gemini's alone, whether it serves it or not. It fails with an *apierror.Problem.
func (l List) Among(q Question, gemini bool) ([]string, error) {
	var names []string
	for _, p := range l.Able(q.Format, q.Has) {
		names = append(names, p.Name)
	}
	openAI := q.Format == config.FormatOpenAI
	if openAI && gemini && q.Has(upstream.Gemini) {
		names = append([]string{upstream.Gemini}, names...)
	}
	switch {
	case len(names) == 0 && openAI:
		return nil, nil
	case len(names) == 0:
		return nil, errNobody
	case q.Named == "":
		return names, nil
	case !slices.Contains(names, q.Named):
		return nil, errNamed(names)
	}
	return []string{q.Named}, nil
}

// ErrWhich says that a request has to name one of several providers.
func ErrWhich(names []string) error {
	return apierror.Invalid(Header, "several providers serve this: send one of "+strings.Join(names, ", ")+" in it.")
}

var errNobody = apierror.New(apierror.NoUsableKey, "No key is configured for a provider of this format. That is the operator's to mend, by OPENAI_KEY_1, ANTHROPIC_KEY_1 or FLUXGATE_PROVIDERS.")

func errNamed(names []string) error {
	return apierror.Invalid(Header, "want one of those that have keys and speak this format: "+strings.Join(names, ", ")+".")
}

// Able returns those that speak a format and have keys.
func (l List) Able(format string, has func(provider string) bool) List {
	var able List
	for _, p := range l {
		if p.Format == format && has(p.Name) {
			able = append(able, p)
		}
	}
	return able
}

// Taking returns those that take a request, and have keys.
func (l List) Taking(q Question) List {
	able := l.Able(q.Format, q.Has)
	if !q.Chat {
		return able
	}
	for _, p := range l {
		if p.Format != q.Format && p.Chats() != "" && q.Has(p.Name) {
			able = append(able, p)
		}
	}
	return able
}

func check(c Choice) (Choice, error) {
	if c.Model != "" && c.Provider != upstream.Gemini && !config.ProviderModel(c.Counted()) {
		return Choice{}, apierror.Invalid("model", "it can't be the name of a model.")
	}
	return c, nil
}

// matches reports whether a name is what a pattern says, which may end in "*".
func matches(pattern, name string) bool {
	if begin, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, begin)
	}
	return pattern == name
}
