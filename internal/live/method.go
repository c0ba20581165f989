package live

import (
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/routes"
)

// A Method is what a path asks for.
type Method struct{ Version, Name string }

// The methods of sessions.
const (
	Plain       = "BidiGenerateContent"
	Constrained = "BidiGenerateContentConstrained" // with an ephemeral token
)

const (
	methodPrefix = "google.ai.generativelanguage."
	methodMiddle = ".GenerativeService."
)

// MethodOf returns the method that a path's last segment names.
func MethodOf(segment string) (m Method, ok bool) {
	rest, ok := strings.CutPrefix(segment, methodPrefix)
	if !ok {
		return m, false
	}
	m.Version, m.Name, ok = strings.Cut(rest, methodMiddle)
	return m, ok && slices.Contains(routes.Versions, m.Version) && (m.Name == Plain || m.Name == Constrained)
}

// path returns the upstream path of a method.
func (m Method) path() string { return "ws/" + methodPrefix + m.Version + methodMiddle + m.Name }
