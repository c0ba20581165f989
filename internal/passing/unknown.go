package passing

import (
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/routes"
)

// Unknown reports whether a path below a version is clean, and below nothing that the table
// knows.
func Unknown(path string) bool {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		name, call, ok := strings.Cut(segment, ":")
		if ok && (i+1 < len(segments) || !wholeName(call)) || !wholeName(name) || strings.Trim(name, ".") == "" {
			return false
		}
	}
	head, _, _ := strings.Cut(segments[0], ":")
	known := slices.Concat([]string{"openai", "upload", "download", "ws"}, routes.Collections(routes.API, routes.Upload, routes.Download))
	return !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, head) })
}

// maxName bounds a segment of an unknown path, in bytes.
const maxName = 128

// wholeName reports whether a text is of what names are made of.
func wholeName(text string) bool {
	other := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
	}
	return text != "" && len(text) <= maxName && !strings.ContainsFunc(text, other)
}
