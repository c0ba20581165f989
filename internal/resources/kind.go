package resources

import (
	"path"
	"slices"
	"strings"
	"time"
)

// A Kind is a collection of upstream's whose members belong to a project and to the
// caller that made them. Another one is a line in [Kinds], its rows in package routes, and
// its name in package payload if bodies refer to its members.
type Kind struct {
	Name string // is before the last slash of its members' names
	// Mentioned says that bodies refer to them by their names.
	Mentioned bool
	// Lasts is how long one lasts where upstream doesn't say until when: its own
	// default. 0: until it is deleted.
	Lasts time.Duration
}

// Kinds are all of them.
// https://ai.google.dev/gemini-api/docs/files, https://ai.google.dev/api/caching,
// https://ai.google.dev/gemini-api/docs/interactions, /file-search, /video. How long batches
// are to be had isn't said there.
var Kinds = []Kind{
	{Name: "files", Mentioned: true, Lasts: 48 * time.Hour},
	{Name: "cachedContents", Mentioned: true, Lasts: time.Hour},
	{Name: "fileSearchStores", Mentioned: true},
	{Name: "interactions", Lasts: 55 * 24 * time.Hour}, // a day in the free tier
	{Name: "batches", Lasts: 55 * 24 * time.Hour},
	{Name: "operations", Lasts: 48 * time.Hour}, // of videos, as long as these are kept
	{Name: "videos", Lasts: 48 * time.Hour},
	{Name: Sessions, Lasts: 2 * time.Hour},
	{Name: Uploads, Lasts: 24 * time.Hour},
}

// OtherKinds are those of other providers than Gemini, whose names have the provider's before
// them and a colon: openai:files/file-1. How long responses, chats that are kept and files are to be had is documented
// (https://platform.openai.com/docs/guides/conversation-state, /docs/api-reference/files,
// https://docs.claude.com/en/docs/build-with-claude/files: until they are deleted), and of batches
// how long their results are (https://docs.claude.com/en/docs/build-with-claude/batch-processing:
// 29 days; OpenAI's files with them 30). Containers are gone 20 minutes after they were used last, and their
// names stand in what is sent back (https://platform.openai.com/docs/guides/tools-code-interpreter), Anthropic's
// last 30 days (https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool); vector stores
// until they are deleted, and uploads for an hour (https://platform.openai.com/docs/api-reference/uploads).
var OtherKinds = []Kind{
	{Name: "files", Mentioned: true},
	{Name: "responses", Mentioned: true, Lasts: 30 * 24 * time.Hour},
	{Name: "conversations", Mentioned: true},
	{Name: "completions", Lasts: 30 * 24 * time.Hour},
	{Name: "batches", Lasts: 30 * 24 * time.Hour},
	{Name: "vector_stores", Mentioned: true},
	{Name: "containers", Mentioned: true, Lasts: 30 * 24 * time.Hour},
	{Name: "uploads", Lasts: time.Hour},
}

// Sessions begins the names of sessions of the Live API that may be resumed, before a hash of
// the handle. https://ai.google.dev/gemini-api/docs/live-session
const Sessions = "liveSessions"

// Uploads begins the names of uploads under way, before a hash of their IDs. They last as long as
// the URLs by which they go on.
const Uploads = "uploads"

// kindOf returns the kind of a name, such as files/abc, models/m/operations/abc or
// openai:files/file-1.
func kindOf(name string) (Kind, bool) {
	kinds := Kinds
	if _, rest, other := strings.Cut(name, ":"); other {
		name, kinds = rest, OtherKinds
	}
	kind := path.Base(path.Dir(name))
	at := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == kind })
	if at < 0 {
		return Kind{}, false
	}
	return kinds[at], true
}

// listOf returns the list that a resource is in: its kind, and of another provider than Gemini
// all that stands before its ID.
func listOf(name string) string {
	if strings.Contains(name, ":") {
		return path.Dir(name)
	}
	kind, _ := kindOf(name)
	return kind.Name
}

// A Resource is one thing that a project holds.
type Resource struct {
	Name    string    // its kind and its ID, such as files/abc
	Project string    // whose keys alone can use it
	Expires time.Time // when upstream deletes it by itself; zero: it doesn't say
	// Note is kept with it: what the package that made the note wants to know again. It may have
	// some KiB.
	Note string
	// Parts are the names of what is within it that requests name by themselves, such as openai:items/msg_1. They
	// are found by their names; what is found has none.
	Parts []string

	made  time.Time // zero: it isn't known, or long ago
	parts parts     // what is kept of the names of what is within it, where it was found
}

// Made returns when it was made: what lasts until it is deleted in the last hour, or else zero; all else
// if it lasts as long as its kind does: of a file, about when it was uploaded.
func (r Resource) Made() time.Time {
	if r.Expires.IsZero() {
		return r.made
	}
	kind, _ := kindOf(r.Name)
	return r.Expires.Add(-kind.Lasts)
}

// MadeAt returns it as one that was made at an instant.
func (r Resource) MadeAt(at time.Time) Resource {
	r.made = at
	return r
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
