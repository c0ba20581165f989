package placing

import (
	"path"
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
		"Make one of them again where the other is: Gemini's, and files of others, by the header "+BesideHeader+", which names the other.")
}

// The kinds whose members are used together.
const (
	files  = "files"
	stores = "fileSearchStores"
)

const (
	// group is how many files in a row are put together at most: as many videos as one
	// request may have. https://ai.google.dev/gemini-api/docs/video-understanding
	group = 10
	// together is how long after a file the next one is put beside it.
	together = 10 * time.Minute
)

// ofOthers reports whether a kind is the files of another provider than Gemini, such as openai:files.
func ofOthers(kind string) bool { return strings.HasSuffix(kind, ":"+files) }

// A row is files that were put together, one after the other.
type row struct {
	project string
	files   int
	last    time.Time
}

// next returns where the next file belongs; "" is anywhere.
func (x row) next(now time.Time) string {
	if x.files == group || now.Sub(x.last) > together {
		return ""
	}
	return x.project
}

// with returns the row with one more file, or a row that begins with it.
func (x row) with(project string, now time.Time) row {
	if x.next(now) != project {
		x.files = 0
	}
	return row{project, x.files + 1, now}
}

// kinds are those of which it matters where their members are made.
var kinds = []string{stores, files}

// project returns where a caller's next thing of a kind belongs, by those of kinds that it
// has, the youngest file before others. "" is anywhere.
func project(kind string, has []resources.Resource, now time.Time) string {
	placed, uploaded := of(stores, has), of(files, has)
	switch {
	case len(placed) > 0:
		return most(placed)
	case kind == files:
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
