package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var callerName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

var emailRule = rule(`^[a-z0-9._%+-]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,188}[a-z0-9])?$`)

// CallerEmail returns an email address as the name of a caller, in lower case.
// It is not ok when the address has a form that can't be a name: names are shown
// in logs and may be IDs of documents.
func CallerEmail(address string) (name string, ok bool) {
	name = strings.ToLower(address)
	return name, emailRule().MatchString(name)
}

func limitedName(name string) (string, error) {
	if callerName.MatchString(name) {
		return name, nil
	}
	if email, ok := CallerEmail(name); ok {
		return email, nil
	}
	// Not repeated: it may be a token.
	return "", errors.New("a name is neither that of a caller (1 to 32 lower case letters, digits, '-' and '_') nor an email address: want either")
}

// checkLimited reports what keeps a name from being that of a project that has limits: one
// that is declared, or the one of a key that declares none.
func checkLimited(project string) error {
	return CheckProject(strings.TrimPrefix(project, derivedPrefix))
}

// limitsName is the name of a model or family as the rest of the program
// writes it, or of one on a project.
func limitsName(name string) (string, error) {
	name = strings.TrimPrefix(strings.TrimSpace(name), "models/")
	if project, model := splitProject(name); project != "" {
		if err := checkLimited(project); err != nil {
			return "", err
		}
		model, err := limitsName(model)
		if err != nil && ProviderModel(name) {
			return name, nil // such as "openrouter/qwen/qwen3:free"
		}
		return OfProject(project, model), err
	}
	if name == "flash-lite" {
		return "flash_lite", nil // the family is easily written like the models
	}
	return modelName(name)
}

// chainName is the name of a model in a chain: of Gemini's, which may be called "gemini/…", or
// of another provider's.
func chainName(name string) (string, error) {
	if ProviderModel(name) && !strings.HasPrefix(name, "gemini/") {
		return name, nil
	}
	return modelName(strings.TrimPrefix(strings.TrimSpace(name), "gemini/"))
}

// modelName checks a model's name, without the "models/" that Google's API
// puts before it.
func modelName(name string) (string, error) {
	name = strings.TrimPrefix(strings.TrimSpace(name), "models/")
	if name == "" {
		return "", errors.New("a model has no name: want one such as gemini-2.5-pro")
	}
	if len(name) > 128 {
		return "", fmt.Errorf("model %s: want at most 128 characters", quoted(name))
	}
	for _, r := range name {
		if !asciiLetter(r) && !asciiDigit(r) && !strings.ContainsRune("-_.", r) {
			return "", fmt.Errorf("model %s: want letters, digits, '-', '_' and '.' only", quoted(name))
		}
	}
	return name, nil
}

func asciiLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

func asciiDigit(r rune) bool { return '0' <= r && r <= '9' }

// reservedID reports whether Firestore refuses s as the ID of a document or
// collection although its characters are allowed.
func reservedID(s string) bool {
	return s == "." || s == ".." || strings.HasPrefix(s, "__") && strings.HasSuffix(s, "__")
}
