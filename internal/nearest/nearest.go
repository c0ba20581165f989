// Package nearest finds the route that somebody may have meant who asked for a path
// where nothing is, and the word that somebody may have meant who wrote another one.
package nearest

import "strings"

// A Route is one as people write it.
type Route struct{ Methods, Path string }

// String returns the route as it is told: "POST /generate".
func (r Route) String() string { return r.Methods + " " + r.Path }

// Bounds of what is compared with routes.
const (
	maxCompared = 8  // segments
	maxSegment  = 48 // bytes of one
)

// To returns the route whose path is most like this one; the zero one of none.
func To(path string, routes []Route) Route {
	asked := strings.SplitN(strings.Trim(path, "/"), "/", maxCompared+1)
	asked = asked[:min(len(asked), maxCompared)]
	best, least := Route{}, -1
	for _, r := range routes {
		n := distance(asked, strings.Split(strings.Trim(r.Path, "/"), "/"), func(segment string) int { return len(segment) + 2 }, unlike)
		if least < 0 || n < least {
			best, least = r, n
		}
	}
	return best
}

// Word returns the word that somebody may have meant who wrote another one: at most a third
// of its letters differ. Empty: none is like it.
func Word(written string, words []string) string {
	best, least := "", len(written)/3+1
	for _, w := range words {
		if n := letters(written, w); n < least {
			best, least = w, n
		}
	}
	return best
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
