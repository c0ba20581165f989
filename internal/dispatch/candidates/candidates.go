package candidates

import (
	"fmt"
	"strings"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/nearest"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/scheduler"
)

// Auto is the name that stands for the chain of the mode in force.
const Auto = "auto"

// Chain returns the models of Gemini's chain that a mode lets through; "" is the mode
// in force. It fails where there is none.
func Chain(s *admission.Snapshot, mode scheduler.Mode) ([]string, error) {
	chain := s.Chain(mode)
	if len(chain) == 0 {
		if mode == "" {
			mode = s.Mode
		}
		return nil, None(mode)
	}
	return chain, nil
}

// None is the error where a mode lets no model of the chain through.
func None(mode scheduler.Mode) error {
	return apierror.New(apierror.NoUsableKey, fmt.Sprintf("No model of the chain is left in mode %s.", mode))
}

// FallbackHeader lets a named model fall through to the chain.
const FallbackHeader = "X-Fluxgate-Fallback"

// CheckFallback returns what is wrong with what a caller says by FallbackHeader.
func CheckFallback(fallback string) error {
	if fallback != "" && fallback != "chain" {
		return apierror.Invalid(FallbackHeader, `want "chain", or leave it out.`)
	}
	return nil
}

// Of returns the models that may serve a request for a name: the chain for
// Auto; else that model alone, or it and the chain after it if the caller's
// fallback is "chain".
func Of(s *admission.Snapshot, name, fallback string) ([]string, error) {
	if err := CheckFallback(fallback); err != nil {
		return nil, err
	}
	if name == Auto {
		return Chain(s, "")
	}
	models := []string{name}
	if fallback == "" {
		return models, nil
	}
	for _, m := range s.Chain("") {
		if m != name {
			models = append(models, m)
		}
	}
	return models, nil
}

// Pinned returns the models that may serve what is bound to one, such as an embedding:
// vectors of different models don't go together, so nothing stands in for the one that is
// named.
func Pinned(name, fallback string) ([]string, error) {
	if name == Auto {
		return nil, apierror.Invalid("model", `"auto" stands for models that generate text; name one that does this.`)
	}
	if fallback != "" {
		return nil, apierror.Invalid(FallbackHeader, "no other model can stand in for this one.")
	}
	return []string{name}, nil
}

// Unnamed returns what is wrong with a request that names no model, or Auto, of a route that Gemini doesn't serve and another provider
// may; and err, which says that Gemini doesn't, where it names one.
func Unnamed(model string, err error) error {
	switch model {
	case "":
		return payload.ErrModel
	case Auto:
		return apierror.Invalid("model", `"auto" is the chain, which is for chats; name a model that serves this, with its provider before it, as "openai/gpt-5.5".`)
	}
	return err
}

// ParseMode returns the mode of that name; none for none.
func ParseMode(name string) (scheduler.Mode, error) {
	if name == "" {
		return "", nil
	}
	mode, err := scheduler.ParseMode(name)
	if err != nil {
		return "", ModeError(name)
	}
	return mode, nil
}

// ModeError is the error for what is no mode.
func ModeError(name string) error {
	var modes []string
	for _, m := range scheduler.Modes() {
		modes = append(modes, string(m))
	}
	text := "want one of " + strings.Join(modes, ", ") + "."
	if meant := nearest.Word(name, modes); meant != "" {
		text += " Did you mean " + meant + "?"
	}
	return apierror.Invalid("mode", text)
}
