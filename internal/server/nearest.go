package server

import (
	"slices"
	"strings"
)

// modelMethods are the methods of a model that are served, after its name and a
// colon.
var modelMethods = []string{"generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"}

// modelCalls is the end of the pattern of a model and its methods.
const modelCalls = "/models/{call}"

// routesLike are the beginnings of patterns that only repeat others, so that nobody
// is pointed to them.
var routesLike = []string{"/" + versionOne + "/", "/" + versionAlpha + "/", uploadPath + versionOne + "/", uploadPath + versionAlpha + "/", openAIBase}

// publish notes a route for those who miss it.
func (s *Server) publish(path string, allow []string) {
	if len(allow) == 0 || slices.ContainsFunc(routesLike, func(p string) bool { return strings.HasPrefix(path, p) }) {
		return
	}
	allow = slices.DeleteFunc(slices.Clone(allow), func(m string) bool { return m == "HEAD" })
	if before, ok := strings.CutSuffix(path, modelCalls); ok {
		for _, method := range modelMethods {
			s.published = append(s.published, published{"POST", before + "/models/{model}:" + method})
		}
		allow, path = []string{"GET"}, before+"/models/{model}"
	}
	s.published = append(s.published, published{strings.Join(allow, ", "), strings.ReplaceAll(path, "...", "")})
}

// A published route is how people write one.
type published struct{ methods, path string }

// Bounds of what is compared with routes.
const (
	maxCompared = 8  // segments
	maxSegment  = 48 // bytes of one
)

// nearest returns the route whose path is most like this one.
func (s *Server) nearest(path string) string {
	asked := strings.SplitN(strings.Trim(path, "/"), "/", maxCompared+1)
	asked = asked[:min(len(asked), maxCompared)]
	best, least := published{}, -1
	for _, p := range s.published {
		n := distance(asked, strings.Split(strings.Trim(p.path, "/"), "/"), func(segment string) int { return len(segment) + 2 }, unlike)
		if least < 0 || n < least {
			best, least = p, n
		}
	}
	return best.methods + " " + best.path
}

// unlike says how much a segment of a path differs from one of a route, in which
// {…} stands for any name.
func unlike(segment, route string) int {
	name, method, called := strings.Cut(route, ":")
	if !strings.HasPrefix(name, "{") {
		return letters(segment, route)
	}
	_, asked, calls := strings.Cut(segment, ":")
	if called != calls {
		return maxSegment // a resource is not a call, whatever their names
	}
	return letters(asked, method)
}

// letters is the edit distance of two texts, whatever the case of their letters.
func letters(a, b string) int {
	split := func(s string) []string { return strings.Split(strings.ToLower(s[:min(len(s), maxSegment)]), "") }
	return distance(split(a), split(b), func(string) int { return 1 }, func(a, b string) int {
		if a == b {
			return 0
		}
		return 1
	})
}

// distance is the least cost of making one list of the other, by dropping and adding
// entries and replacing one by another (Wagner and Fischer).
func distance(a, b []string, whole func(string) int, replaced func(a, b string) int) int {
	row := make([]int, len(b)+1)
	for j, y := range b {
		row[j+1] = row[j] + whole(y)
	}
	for _, x := range a {
		diagonal := row[0]
		row[0] += min(whole(x), maxSegment)
		for j, y := range b {
			cost := min(diagonal+replaced(x, y), row[j+1]+min(whole(x), maxSegment), row[j]+whole(y))
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
