package placing

import (
	"path"
	"sort"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/resources"
)

// BesideHeader names something of the caller's, beside which a request is to make what it
// makes, in the same project.
const BesideHeader = "X-Fluxgate-Beside"

// The answers where that is no name, and where it is of another project than what the request
// names.
var (
	ErrBeside    = apierror.Invalid(BesideHeader, `want the name of a file, a cached content or a file search store: "files/…".`)
	ErrElsewhere = apierror.Invalid(BesideHeader, "it is of another project than what the request itself names.")
)

// ErrTwoProjects is the answer to what names things of two projects.
func ErrTwoProjects(one, other string) error {
	return apierror.Invalid("body", "it names "+one+" and "+other+", which are of two projects, and no key can read both. "+
		"Make one of them again where the other is: Gemini's, and what is made of others, by the header "+BesideHeader+", which names the other.")
}

// A family is the kinds of a provider whose members are used together.
type family struct {
	files, stores string
	// others are made where stores would be, or files: what is going to be one, or is used like one.
	asFiles, asStores string
}

// geminis and openAIs are the families of Gemini, and of any provider that speaks as OpenAI does, without its name. What
// else there is has files alone.
var (
	geminis = family{files: "files", stores: "fileSearchStores"}
	openAIs = family{files: "files", stores: "vector_stores", asFiles: "uploads", asStores: "containers"}
)

// familyOf returns the family of a kind, such as files or openai:vector_stores; false: where its members are doesn't
// matter.
func familyOf(kind string) (family, bool) {
	f := geminis
	if strings.Contains(kind, ":") {
		before := kind[:strings.LastIndexAny(kind, ":/")+1]
		f = family{before + openAIs.files, before + openAIs.stores, before + openAIs.asFiles, before + openAIs.asStores}
	}
	return f, f.counts(kind) || kind == f.asFiles || kind == f.asStores
}

// counts reports whether where members of a kind are says where more belongs.
func (f family) counts(kind string) bool { return kind == f.files || kind == f.stores }

const (
	// group is how many files in a row are put together at most: as many videos as one
	// request may have. https://ai.google.dev/gemini-api/docs/video-understanding
	group = 10
	// together is how long after a file the next one is put beside it.
	together = 10 * time.Minute
)

// project returns where a caller's next thing of a kind belongs, by those of the family that it
// has, the youngest file before others. "" is anywhere.
func (f family) project(kind string, has []resources.Resource, now time.Time) string {
	placed, uploaded := of(f.stores, has), of(f.files, has)
	sort.SliceStable(uploaded, func(i, j int) bool { return uploaded[i].Made().After(uploaded[j].Made()) })
	switch {
	case len(placed) > 0:
		return most(placed)
	case kind == f.files, kind == f.asFiles:
		return beside(uploaded, now)
	case len(uploaded) > 0:
		return uploaded[0].Project
	}
	return ""
}

// of returns those of a kind.
func of(kind string, all []resources.Resource) (list []resources.Resource) {
	for _, r := range all {
		if path.Dir(r.Name) == kind {
			list = append(list, r)
		}
	}
	return list
}

// most returns the project that has most of them, of several the first by name.
func most(list []resources.Resource) (project string) {
	number := make(map[string]int)
	for _, r := range list {
		number[r.Project]++
		if n := number[r.Project] - number[project]; project == "" || n > 0 || n == 0 && r.Project < project {
			project = r.Project
		}
	}
	return project
}

// beside returns the project of the newest files, unless they are a whole group or too old.
func beside(uploaded []resources.Resource, now time.Time) string {
	n := 0
	for n < min(len(uploaded), group) && uploaded[n].Project == uploaded[0].Project && now.Sub(uploaded[n].Made()) <= together {
		n++
	}
	if n == 0 || n == group {
		return ""
	}
	return uploaded[0].Project
}
