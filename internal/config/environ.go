package config

import (
	"reflect"
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
// GEMINI_BILLING_N and GEMINI_API_KEY.
func variableNames() []string {
	var names []string
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("env"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// WithoutKeys returns environ without the variables that hold keys or tokens.
// Programs that Fluxgate starts, such as an emulator, have no use for them.
func WithoutKeys(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return nearKey.MatchString(name) || strings.HasPrefix(name, "GEMINI_KEY_") || slices.Contains(listNames, name) ||
			strings.HasPrefix(name, "OTEL_EXPORTER_OTLP_") && strings.HasSuffix(name, "HEADERS") ||
			slices.Contains([]string{"FLUXGATE_TOKENS", "FLUXGATE_ADMIN_TOKENS"}, name)
	})
}
