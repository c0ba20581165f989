package batchlines

import (
	"context"
	"errors"

	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/payload/references"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// Files knows of callers' files what a batch may be made of.
type Files struct {
	resources *resources.Registry // nil: everybody's are everybody's
	uploads   *resources.Registry // those under way
}

// New returns the Files of a deployment, whose resources a registry knows. Of uploads under way it keeps
// what there is to keep in records of their own, which o is for.
func New(registry *resources.Registry, o resources.Options) *Files {
	o.Prefix = resources.Uploads
	return &Files{resources: registry, uploads: resources.New(o)}
}

// Unfit is the note on a file that no batch is made of.
const Unfit = "unfit for a batch"

// Check says what is wrong with the file that a caller's request to a project of a provider is about:
// with how its body names it, or, where a batch is made of it, with what its lines name.
func (f *Files) Check(ctx context.Context, who resources.Caller, route *routes.Route, provider, project string, body *payload.Body) error {
	names, err := named(route, provider, body)
	if err != nil || !route.ReadsLines || f == nil || !f.resources.Confines(who) || len(names) == 0 {
		return err
	}
	limited := patience.Limit(ctx)
	has, err := f.resources.FindNow(limited, who.Name, project, names)
	if limited.End(); err != nil {
		return unknown(err)
	}
	for _, name := range names {
		if has[name].Note == Unfit {
			return errUnfit
		}
	}
	return nil
}

// named returns the files that a request is about, by the names by which they are known here.
func named(route *routes.Route, provider string, body *payload.Body) (names []string, err error) {
	switch {
	case route.NamesFile == "":
		return nil, nil
	case body.JSON == nil && len(body.Text) > 0:
		return nil, payload.ErrNotObject // it may name any
	case provider != upstream.Gemini:
		names, err = references.Read(body.JSON, false)
		for i, name := range names {
			names[i] = route.KeptName(provider, name)
		}
		return names, err
	}
	names, ok := references.FilesAt(body.JSON, route.NamesFile)
	if !ok {
		return nil, apierror.Invalid(route.NamesFile, `want the name of a file as its upload was answered: "files/…".`)
	}
	return names, nil
}

// errUnfit is the answer where a batch is to be made of such a file.
var errUnfit = apierror.New(apierror.InvalidArgument, "No batch is made of this file. Its lines name files, cached contents or other things that weren't there for you when it was uploaded, "+
	"or it isn't lines of JSON, or not all of it was seen on its way. Upload what it names first, and then it once more, as it is.")

// unknown is the answer where the store can't say.
func unknown(err error) error {
	return &apierror.Problem{Code: apierror.Unavailable, Public: "It can't be looked up whose the files are that the file's lines name. Please retry.", Cause: err}
}

// own reports whether all of the names are a caller's, in a project.
func (f *Files) own(ctx context.Context, caller, project string, names []string) (bool, error) {
	has, err := f.resources.FindIn(ctx, caller, project, names)
	return len(has) == len(names), err
}

// A standing is what is known of an upload when a piece of it comes.
type standing struct {
	progress
	known bool // progress is where it is, as far as is known
}

// standing reads what is known of an upload.
func (f *Files) standing(ctx context.Context, caller, upload string) (standing, error) {
	if upload == "" {
		return standing{known: true}, nil
	}
	note, begun, err := f.noted(ctx, caller, upload)
	if err != nil || !begun {
		return standing{known: err == nil}, err
	}
	p, err := open(upload, note)
	if errors.Is(err, errSeal) {
		return standing{}, nil // a piece is under way, or nobody knows what became of it
	}
	return standing{p, err == nil}, err
}

// underWay begins the note on an upload of which a piece is being sent. What follows is that piece's.
const underWay = "under way "

// noted returns the note on an upload. It isn't ok where nothing is known of that.
func (f *Files) noted(ctx context.Context, caller, upload string) (note string, ok bool, err error) {
	name := under(upload)
	has, err := f.uploads.FindNow(ctx, caller, "", []string{name})
	found, ok := has[name]
	return found.Note, ok, err
}

// note keeps a note on an upload.
func (f *Files) note(ctx context.Context, caller, upload, note string) error {
	return f.uploads.Made(ctx, caller, resources.Resource{Name: under(upload), Note: note})
}

// asked puts on the files that a project tells of, to a question of their caller's that brought no
// piece of them, what is noted of them already. What wasn't heard of before is unfit.
func (f *Files) asked(ctx context.Context, who resources.Caller, project string, told []answers.Created) error {
	for i := range told {
		has, err := f.resources.FindNow(ctx, who.Name, project, []string{told[i].Name})
		if err != nil {
			return unknown(err)
		}
		if told[i].Note = Unfit; len(has) > 0 {
			told[i].Note = has[told[i].Name].Note
		}
	}
	return nil
}
