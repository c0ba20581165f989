package passing

import (
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/routes"
)

// Unknown reports whether a path below a version is clean, and below nothing that the table
// knows.
func Unknown(path string) bool {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		name, call, ok := strings.Cut(segment, ":")
		if ok && (i+1 < len(segments) || !answers.ValidSegment(call)) || !answers.ValidSegment(name) {
			return false
		}
	}
	head, _, _ := strings.Cut(segments[0], ":")
	known := slices.Concat([]string{"openai", "upload", "download", "ws"}, routes.Collections(routes.API, routes.Upload, routes.Download))
	return !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, head) })
}
