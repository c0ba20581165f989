package nearest

import (
	"regexp"
	"slices"
	"strings"
)

// A Route is one as people write it.
type Route struct{ Methods, Path string }

// String returns the route as it is told: "POST /generate".
func (r Route) String() string { return r.Methods + " " + r.Path }

// Routes are those that there are, each path once.
type Routes []Route

// Add notes a route, beside the other methods of its path.
func (all *Routes) Add(method, path string) {
	at := slices.IndexFunc(*all, func(r Route) bool { return r.Path == path })
	if at < 0 {
		*all = append(*all, Route{Methods: method, Path: path})
		return
	}
	methods := append(strings.Split((*all)[at].Methods, ", "), method)
	slices.Sort(methods)
	(*all)[at].Methods = strings.Join(methods, ", ")
}

// Bounds of what is compared with routes.
const (
	maxCompared = 8  // segments
	maxSegment  = 48 // bytes of one
)

// To returns the route whose path is most like this one, of those that have a word in common
// with it, or one that is nearly the same. With ok false there is none: whatever were named
// would be named by chance.
func (all Routes) To(path string) (best Route, ok bool) {
	asked := strings.SplitN(strings.Trim(path, "/"), "/", maxCompared+1)
	asked = asked[:min(len(asked), maxCompared)]
	said, least := words(asked), -1
	for _, r := range all {
		if !slices.ContainsFunc(words(strings.Split(r.Path, "/")), func(word string) bool {
			return slices.ContainsFunc(said, func(w string) bool { return alike(w, word) })
		}) {
			continue
		}
		n := distance(asked, strings.Split(strings.Trim(r.Path, "/"), "/"), func(segment string) int { return len(segment) + 2 }, unlike)
		if least < 0 || n < least {
			best, least = r, n
		}
	}
	return best, least >= 0
}

// places are segments that say where a route is, and not what it is.
var places = regexp.MustCompile(`^(v[0-9]+[a-z0-9]*|openai|upload|download|ws)$`)

// words returns what segments say, without names.
func words(segments []string) (out []string) {
	for _, segment := range segments {
		name, called, _ := strings.Cut(segment, ":")
		for _, w := range [2]string{name, called} {
			if w != "" && !strings.HasPrefix(w, "{") && !places.MatchString(w) {
				out = append(out, w)
			}
		}
	}
	return out
}

// alike reports whether at most a third of the letters of a word differ.
func alike(written, word string) bool {
	most := len(word) / 3
	return max(len(written)-len(word), len(word)-len(written)) <= most && letters(written, word) <= most
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
