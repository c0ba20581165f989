package routes

import (
	"cmp"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/apierror"
)

// The versions of Google's API. What comes for one goes upstream for that one.
const (
	VersionBeta  = "v1beta"
	VersionOne   = "v1"
	VersionAlpha = "v1alpha"
)

// Versions are all of them, the usual one first.
var Versions = []string{VersionBeta, VersionOne, VersionAlpha}

// A Route is one method of an API.
type Route struct {
	Method string // of HTTP; HEAD goes with GET
	// Path is the pattern of its path below Base, in which {…} stands for a name.
	Path string
	Base Base

	Model Where // the model or agent is named there
	// Default is the model that OpenAI takes where none is named; "": one has to be.
	Default string
	Counts  Counted // what a request is counted as
	// Each is the member of the body whose entries are counted each by itself; "": the
	// request is.
	Each string
	// Pinned says that no other model can stand in for the one that is named.
	Pinned bool
	// Forms says that its body may be a form (multipart/form-data) instead of JSON.
	Forms bool
	// Uncounted says that upstream doesn't count the tokens of such a request beforehand.
	Uncounted bool
	// Candidates says that an answer without one, and without a reason for that, is none.
	Candidates bool
	// Feature is a feature of its model that it counts on, whatever its body says; "": none.
	Feature string
	// Names is the beginning of Path that names a resource, which the request goes to the
	// project of; "": its path names none. What its body names counts in any case.
	Names string
	// NamesFile is the member of its body, as members within one another, that names a file: in
	// full, as files/…. Whose another spelling is couldn't be told, and upstream might take it.
	NamesFile string
	// ReadsLines says that the lines of that file are requests, which the provider reads with the
	// project's key (package batchlines).
	ReadsLines bool
	// Makes says where an answer names the resources that it tells of, as members within
	// one another: "file.name". Those in lists are behind the list's name.
	Makes []string
	// Parts is where an answer names what is within what it tells of, or within what the path names, that
	// requests name by its ID alone, as in Makes.
	Parts []string
	// Opens is where an answer names the container that it was made with, as in Makes.
	Opens []string
	// Under is what stands before IDs, in the path and in answers, where these aren't names
	// that are a path below a version.
	Under string
	// MakesUnder is Under for what answers name where that is of another kind than the path
	// names.
	MakesUnder string
	// Links is the member of an answer, or of the entries of a list, that holds a URL of the
	// provider's which clients follow; "": none.
	Links string
	// Lists is the member of an answer that holds a list; "": it isn't one.
	Lists string
	// Assembles says that the file that it makes was put together upstream, from parts that came in any order.
	Assembles bool
	// Results is the form in which an answer tells what became of a job.
	Results Results
	Ends    bool // what it names is gone when it has succeeded
	Flow    Flow
	// Unserved says who could serve it where nobody here does; "": it is served. With Others
	// it is Gemini that doesn't.
	Unserved string
	// Others says that it goes to another provider than Gemini where its model is that one's, or
	// what it names is kept there.
	Others bool
}

// A Base is where a route lies.
type Base int

// The bases.
const (
	API      Base = iota // below a version
	Upload               // below /upload/ and a version
	Download             // below /download/ and a version
	OpenAI               // Google's endpoint that speaks OpenAI's format
	Socket               // below /ws/; the path says the version
	Messages             // Anthropic's API, which Gemini has no part in
)

// The beginnings of paths that are no version's.
const (
	UploadPath   = "/upload/"
	DownloadPath = "/download/"
	SocketPath   = "/ws/"
	// OpenAIPath is where upstream's OpenAI-compatible endpoint lies.
	OpenAIPath = VersionBeta + "/openai/"
	// OpenAIBase is where requests of OpenAI's clients go whose base URL names no place.
	OpenAIBase = "/openai/v1/"
	// AnthropicPath is where requests of Anthropic's clients go, whose base URL ends before
	// the version.
	AnthropicPath = "/anthropic/"
)

// Roots returns what the paths of a base begin with here, the usual one first.
func (b Base) Roots() []string {
	before := "/"
	switch b {
	case OpenAI:
		return []string{"/" + OpenAIPath, OpenAIBase}
	case Socket:
		return []string{SocketPath}
	case Messages:
		return []string{AnthropicPath + VersionOne + "/"}
	case Upload:
		before = UploadPath
	case Download:
		before = DownloadPath
	}
	var roots []string
	for _, version := range Versions {
		roots = append(roots, before+version+"/")
	}
	return roots
}

// Upstream returns what the paths of a base begin with upstream, for VersionBeta where that is
// Gemini.
func (b Base) Upstream() string { return upstreamRoots[b] }

// upstreamRoots has it ready for every request.
var upstreamRoots = [...]string{API: API.root(), Upload: Upload.root(), Download: Download.root(), OpenAI: OpenAI.root(), Socket: Socket.root(), Messages: VersionOne + "/"}

func (b Base) root() string { return strings.TrimPrefix(b.Roots()[0], "/") }

// Where says where a request names its model.
type Where int

// The places.
const (
	NoModel     Where = iota
	InPath            // behind models/
	InBody            // the member model
	AgentInBody       // the member model, or agent
	InSetup           // the first message of a session
)

// Counted says what a request is counted as.
type Counted int

// What there is to count.
const (
	Free     Counted = iota // it costs no quota
	Requests                // requests and input tokens of its model
	Jobs                    // a job of its project: it stays out of its model's calendars
)

// Results says in which form an answer tells what became of a job.
type Results int

// The forms.
const (
	NoResults Results = iota
	Lines             // a file, with the result of one request in each line
	Inlined           // a batch of Gemini's, with all results in it
	Single            // an interaction or a response, which is its own result
)

// Flow says how a request and its answer pass.
type Flow int

// The flows.
const (
	Whole     Flow = iota // an answer that comes at once, within FLUXGATE_TIMEOUT
	Streams               // in pieces, as long as something comes within FLUXGATE_IDLE_TIMEOUT
	MayStream             // if the body or the query says so
	Uploads               // the body passes as it comes, for an hour at most
	Downloads             // the answer is a file, or a part of one, and passes as Streams does
	Upgrades              // a WebSocket in both directions
	Mints                 // the answer is a token, which opens sessions in place of a caller's
)

// Errors returns the format of a route's errors.
func (r Route) Errors() apierror.Format {
	switch {
	case r.Base == OpenAI:
		return apierror.OpenAI
	case r.Base == Messages:
		return apierror.Anthropic
	case slices.Contains(newer, r.Collection()):
		return apierror.Interactions
	}
	return apierror.Native
}

// newer are the collections of the Interactions API, whose SDKs read errors of a form of
// their own.
var newer = []string{"interactions", "agents", "environments", "triggers", "webhooks", "voices", "credentials", "decisions"}

// Told is how a route's path is told to people: below the usual version, and with what its
// {…} stand for.
func (r Route) Told() string { return r.ToldBelow(r.Base.Roots()[0]) }

// ToldBelow is Told, below another of its base's roots.
func (r Route) ToldBelow(root string) string {
	path := strings.ReplaceAll(r.Path, "...", "")
	if r.Model == InPath && r.Base != Messages {
		path = strings.Replace(path, "{call}", "{model}", 1)
	}
	return root + path
}

// Call returns what is behind a name and a colon at the end of the path: the method of a
// model or a resource.
func (r Route) Call() string {
	_, call, _ := strings.Cut(r.Path, "}:")
	return call
}

// Fill returns the path with names in the places of its {…}, in order. There have to be as
// many.
func (r Route) Fill(names []string) string { return fill(r.Path, names) }

// OtherPath is the path below the base URL of another provider than Gemini, for a model as that
// provider knows it, or with names in the places of its {…}.
func (r Route) OtherPath(model string, names []string) string {
	path := ""
	if r.Model == InPath {
		path = "models/" + model
	} else {
		path = fill(r.Path, names)
	}
	return r.otherRoot() + path
}

// otherRoot is what paths begin with below the base URL of another provider than Gemini.
func (r Route) otherRoot() string {
	if r.Base == Messages {
		return r.Base.Upstream()
	}
	return "" // it has the version
}

// KeptName is the name by which a resource is known here that a provider has under a name such
// as files/x: that of another provider than Gemini has the provider's, and its path there. ""
// is Gemini.
func (r Route) KeptName(provider, name string) string {
	if provider == "" || name == "" {
		return name
	}
	return provider + ":" + r.otherRoot() + name
}

// Made is Under for what answers name.
func (r Route) Made() string { return cmp.Or(r.MakesUnder, r.Under) }

// MakesBatch reports whether it makes a batch of requests.
func (r Route) MakesBatch() bool {
	return r.Counts == Jobs || r.Method == post && r.Names == "" && strings.HasSuffix(r.Under, "batches/")
}

// Chats reports whether it is a chat completion in OpenAI's format, which every provider serves.
func (r Route) Chats() bool { return r.Base == OpenAI && r.Path == "chat/completions" }

// Resource returns the name of the resource that the path names, "" if it names none.
func (r Route) Resource(names []string) string {
	if r.Names == "" {
		return ""
	}
	if r.Under != "" {
		return r.Under + r.ID(names[strings.Count(r.Names, "{")-1])
	}
	return fill(r.Names, names)
}

// Mentioned returns the resources that a request refers to, by the names in its path and by its
// body.
func (r Route) Mentioned(names, body []string) []string {
	if name := r.Resource(names); name != "" {
		return append([]string{name}, body...)
	}
	return body
}

// ID returns the ID in a name of the path: without what stands before it, and without what
// is done to it.
func (r Route) ID(name string) string {
	if r.Under == "" {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(name, r.Under), "/cancel")
}

func fill(pattern string, names []string) string {
	var out strings.Builder
	out.Grow(len(pattern) + 64)
	for {
		before, rest, ok := strings.Cut(pattern, "{")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		_, pattern, _ = strings.Cut(rest, "}")
		out.WriteString(names[0])
		names = names[1:]
	}
}

// Collection returns the first segment of the path, without a method.
func (r Route) Collection() string {
	head, _, _ := strings.Cut(r.Path, "/")
	head, _, _ = strings.Cut(head, ":")
	return head
}
