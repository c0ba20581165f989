package routes

import (
	"slices"
	"strings"
)

// A Shape is the rows of a base whose paths a router can't tell apart: what is behind a
// colon isn't a segment of its own.
type Shape struct {
	Base Base
	// Pattern is a path of net/http's, without the colon: that of the first row.
	Pattern string
	Rows    []Route

	wildcards []string // the names of the pattern's {…}
}

// Shapes returns the table by shapes, in its order.
func Shapes(table []Route) []Shape {
	type key struct {
		base Base
		path string
	}
	var all []Shape
	at := make(map[key]int)
	for _, r := range table {
		pattern := strings.TrimSuffix(r.Path, ":"+r.Call())
		k := key{r.Base, nameless(pattern)}
		if _, ok := at[k]; !ok {
			at[k] = len(all)
			all = append(all, Shape{Base: r.Base, Pattern: pattern, wildcards: wildcards(pattern)})
		}
		s := &all[at[k]]
		s.Rows = append(s.Rows, r)
	}
	return all
}

// nameless returns a pattern without the names of its {…}.
func nameless(pattern string) string {
	segments := strings.Split(pattern, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

// wildcards returns the names of a pattern's {…}, as net/http's router gives their values.
func wildcards(pattern string) []string {
	var names []string
	for rest := pattern; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			return names
		}
		name, behind, _ := strings.Cut(after, "}")
		names, rest = append(names, strings.TrimSuffix(name, "...")), behind
	}
}

// Find returns the row that an HTTP method and the values of the wildcards mean, and the
// names among them; nil: there is none. Where there are rows for them and none takes the
// method, allow says which they take.
func (s Shape) Find(method string, value func(wildcard string) string) (row *Route, names, allow []string) {
	values := make([]string, len(s.wildcards))
	for i, name := range s.wildcards {
		values[i] = value(name)
	}
	call := ""
	if len(values) > 0 {
		last := &values[len(values)-1]
		*last, call, _ = strings.Cut(*last, ":")
	}
	for i := range s.Rows {
		r := &s.Rows[i]
		switch {
		case r.Call() != call:
		case r.Method == method:
			return r, values, nil
		default:
			allow = append(allow, r.Method)
		}
	}
	slices.Sort(allow)
	return nil, nil, allow
}

// Collections returns the first segments of the paths below bases: of what is known of
// there.
func Collections(bases ...Base) []string {
	var all []string
	for _, r := range Table {
		if c := r.Collection(); slices.Contains(bases, r.Base) && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// Sketch names what a path below a version asks for, without the names in it; "" where it is
// below none.
func Sketch(path string) string {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(segments) < 2 || !slices.Contains(Versions, segments[0]) {
		return ""
	}
	head, call, _ := strings.Cut(segments[1], ":")
	if len(segments) > 2 {
		_, call, _ = strings.Cut(segments[len(segments)-1], ":")
	}
	out := "/" + segments[0] + "/" + word(head)
	if len(segments) > 2 {
		out += "/…"
	}
	if call = word(call); call != "" && call != "…" {
		out += ":" + call
	}
	return out
}

// maxWord bounds the words of a sketch, in bytes.
const maxWord = 40

// word returns a text if it is one of ASCII letters, as the names of collections and methods
// are, and else "…".
func word(text string) string {
	letters := func(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }
	if len(text) > maxWord || strings.ContainsFunc(text, func(r rune) bool { return !letters(r) }) {
		return "…"
	}
	return text
}
