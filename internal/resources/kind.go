package resources

import (
	"slices"
	"strings"
	"time"
)

// A Kind is a collection of upstream's whose members belong to a project and to the
// caller that made them. Another one is a line in [Kinds], its name in package payload,
// which finds references in bodies, and its routes.
type Kind struct {
	Name string // begins the names of its members, before a slash
	// Lasts is how long one lasts where upstream doesn't say until when: its own
	// default. 0: until it is deleted.
	Lasts time.Duration
}

// Kinds are all of them.
// https://ai.google.dev/gemini-api/docs/files, https://ai.google.dev/api/caching,
// https://ai.google.dev/gemini-api/docs/interactions
var Kinds = []Kind{
	{Name: "files", Lasts: 48 * time.Hour},
	{Name: "cachedContents", Lasts: time.Hour},
	{Name: "interactions", Lasts: 55 * 24 * time.Hour}, // a day in the free tier
}

// kindOf returns the kind of a name.
func kindOf(name string) (Kind, bool) {
	kind, _, _ := strings.Cut(name, "/")
	at := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == kind })
	if at < 0 {
		return Kind{}, false
	}
	return Kinds[at], true
}

// A Resource is one thing that a project holds.
type Resource struct {
	Name    string    // its kind and its ID, such as files/abc
	Project string    // whose keys alone can use it
	Expires time.Time // when upstream deletes it by itself; zero: it doesn't say
}

// until returns when a resource that is known at an instant is over, in Unix seconds
// rounded down: not later than upstream, which may give the name away again. 0 is
// never.
func (r Resource) until(now time.Time) int64 {
	if !r.Expires.IsZero() {
		return max(1, r.Expires.Unix())
	}
	if kind, ok := kindOf(r.Name); ok && kind.Lasts > 0 {
		return now.Add(kind.Lasts).Unix()
	}
	return 0
}
