package config

import (
	"iter"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// variables makes a map of environ: the last entry of a name counts, blanks
// and one pair of quotes around a value are dropped.
func variables(environ []string) map[string]string {
	vars := make(map[string]string, len(environ))
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			vars[name] = Unquote(value)
		}
	}
	return vars
}

// Unquote drops blanks around s, then one pair of equal quotes, single or
// double, then blanks again.
func Unquote(s string) string {
	s = strings.TrimSpace(s)
	if n := len(s); n >= 2 && s[0] == s[n-1] && (s[0] == '"' || s[0] == '\'') {
		s = strings.TrimSpace(s[1 : n-1])
	}
	return s
}

// variableNames returns the names of the variables that have a field of their own
// in [Config], in its order: all but GEMINI_KEY_N, GEMINI_PROJECT_N,
// GEMINI_BILLING_N, GEMINI_TIER_N and GEMINI_API_KEY.
func variableNames() []string {
	var names []string
	for name := range fields() {
		names = append(names, name)
	}
	return names
}

// fields yields the names of variableNames, each with its field.
func fields() iter.Seq2[string, reflect.StructField] {
	return func(yield func(string, reflect.StructField) bool) {
		t := reflect.TypeFor[Config]()
		for i := range t.NumField() {
			f := t.Field(i)
			if name, _, _ := strings.Cut(f.Tag.Get("env"), ","); name != "" && !yield(name, f) {
				return
			}
		}
	}
}

// numberedKey is what the variables of other providers' keys are called.
var numberedKey = regexp.MustCompile(`_KEY_[0-9]+$`)

// WithoutKeys returns environ without the variables that hold keys or tokens.
// Programs that Fluxgate starts, such as an emulator, have no use for them.
func WithoutKeys(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return nearKey.MatchString(name) || numberedKey.MatchString(name) || strings.HasPrefix(name, "GEMINI_KEY_") || slices.Contains(listNames, name) ||
			strings.HasPrefix(name, "OTEL_EXPORTER_OTLP_") && strings.HasSuffix(name, "HEADERS") ||
			slices.Contains([]string{"FLUXGATE_TOKENS", "FLUXGATE_ADMIN_TOKENS"}, name)
	})
}
