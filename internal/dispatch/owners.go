package dispatch

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch/placing"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// Files and cached contents belong to the project that made them: only its keys
// can read them. And they belong to the caller that made them, which package resources
// knows, with the project. Of what a caller uses that may use everybody's, the owning
// project is remembered where this instance made it, and else found by asking all.

// resourcePath begins the upstream path of a resource of Gemini's.
const resourcePath = "v1beta/"

// PathOf returns the path of a resource below its provider's base URL.
func PathOf(name string) string {
	if _, path, other := strings.Cut(name, ":"); other {
		return path
	}
	return resourcePath + name
}

// searchTimeout bounds the search for an owner.
const searchTimeout = 10 * time.Second

// maxOwners bounds how many owners are remembered.
const maxOwners = 10_000

// PoolFor returns the keys of Gemini that can serve what a caller sends, with these resources in
// it: those of the project that owns them. What isn't there for the caller is answered
// alike, whether it is somebody else's or nobody's.
func (d *Dispatcher) PoolFor(ctx context.Context, who resources.Caller, names []string) (*Pool, error) {
	p, err := d.PoolOf(ctx, upstream.Gemini)
	if err != nil {
		return nil, err
	}
	return d.Owning(ctx, p, who, names)
}

// Owning is PoolFor for what keys of any pool can serve.
func (d *Dispatcher) Owning(ctx context.Context, p *Pool, who resources.Caller, names []string) (*Pool, error) {
	switch {
	case len(names) == 0:
		return p, nil
	case d.resources.Confines(who):
		return d.own(ctx, p, who, names)
	}
	return d.owning(ctx, p, names)
}

// own narrows the pool to the project in which the caller has what it names.
func (d *Dispatcher) own(ctx context.Context, p *Pool, who resources.Caller, names []string) (*Pool, error) {
	limited := patience.Limit(ctx)
	has, err := d.resources.Find(limited, who.Name, names)
	if limited.End(); err != nil {
		return nil, errWhose(err)
	}
	project := ""
	for _, name := range names {
		found, ok := has[name]
		switch {
		case !ok, !p.Has(found.Project):
			return nil, NotThere(name)
		case project != "" && project != found.Project:
			return nil, placing.ErrTwoProjects(shown(names[0]), shown(name))
		}
		project = found.Project
	}
	return p.Only(project), nil
}

// owning narrows the pool to the project that owns all that is named.
func (d *Dispatcher) owning(ctx context.Context, p *Pool, names []string) (*Pool, error) {
	project := ""
	lookups := 0
	parts := sync.OnceValue(func() map[string]resources.Resource { return d.resources.FindParts(ctx, names) })
	for _, name := range names {
		owner, known := d.owners.Get(name)
		if resources.IsPart(name) && !known {
			// It can't be asked for by its name alone.
			if owner = p.Sole(); owner == "" {
				owner = cmp.Or(parts()[name].Project, project)
			}
			if owner == "" {
				return nil, NotThere(name)
			}
			known = true
		}
		if !known || !p.Has(owner) {
			if lookups++; lookups > maxLookedUp && project != "" {
				continue // upstream knows whether it is there too
			}
			var err error
			if owner, err = d.find(ctx, p, name, project); err != nil {
				return nil, err
			}
		}
		if project != "" && owner != project {
			return nil, placing.ErrTwoProjects(shown(names[0]), shown(name))
		}
		project = owner
	}
	return p.Only(project), nil
}

// Place returns the pool for what a caller makes of a kind: the project of what it is to be
// beside (placing.BesideHeader), or else one that prefers the project where it belongs by what
// the caller has.
func (d *Dispatcher) Place(ctx context.Context, who resources.Caller, p *Pool, kind, beside string) (*Pool, error) {
	if beside == "" && len(p.Projects) > 1 {
		limited := patience.Limit(ctx)
		project, err := d.placer.Prefers(limited, who.Name, kind)
		if limited.End(); err != nil {
			return nil, errWhose(err)
		}
		return p.Preferring(project), nil
	}
	if beside == "" {
		return p, nil
	}
	if payload.ResourceName(beside) != beside {
		return nil, placing.ErrBeside
	}
	there, err := d.PoolFor(ctx, who, []string{beside})
	if err == nil && !p.Has(there.Projects[0].ID) {
		return nil, placing.ErrElsewhere
	}
	return there, err
}

// shown is the name of a resource as its provider has it.
func shown(name string) string { return name[strings.IndexByte(name, ':')+1:] }

// NotThere is the answer where a resource isn't, or isn't the caller's.
func NotThere(name string) error {
	if resources.IsPart(name) {
		return apierror.New(apierror.NotFound, "It isn't known here which project has "+shown(name)+". Send what it says in its place.")
	}
	return apierror.New(apierror.NotFound, "No usable project owns "+shown(name)+", or it has expired.")
}

// errWhose is the answer where it can't be known whose resources are.
func errWhose(err error) error {
	return &apierror.Problem{Code: apierror.Unavailable, Public: "It can't be looked up whose files and cached contents are, so nothing was sent. Please retry.", Cause: err}
}

// maxLookedUp bounds for how many resources of one request the owner is looked
// up: a request may mention thousands of files.
const maxLookedUp = 32

// maxAsked bounds how many projects are asked at a time.
const maxAsked = 8

// find asks the projects for a resource, the likely one first.
func (d *Dispatcher) find(ctx context.Context, p *Pool, name, likely string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	if likely != "" {
		if project, _, err := d.search(ctx, p.Only(likely), name); project != "" || err != nil {
			return project, err
		}
	}
	project, sure, err := d.search(ctx, p, name)
	switch {
	case err != nil:
		return "", err
	case project != "":
		return project, nil
	case !sure:
		return "", apierror.New(apierror.Unavailable, "Not every project could be asked for "+name+", and none of the others owns it. Please retry.")
	}
	return "", NotThere(name)
}

// search returns the project of the pool that owns a resource, or "" and whether
// all of them said so.
func (d *Dispatcher) search(ctx context.Context, p *Pool, name string) (project string, sure bool, err error) {
	states, err := d.admission.View(ctx, p.IDs())
	if err != nil {
		return "", false, err
	}
	asking, found := context.WithCancel(ctx)
	defer found()
	var asked errgroup.Group
	asked.SetLimit(maxAsked)
	var mu sync.Mutex
	sure = true
	for i, candidate := range p.Projects {
		key, err := p.Pick(candidate.ID, states[i])
		if err != nil {
			continue
		}
		asked.Go(func() error {
			owns, ok := d.owns(asking, d.target(key), name)
			mu.Lock()
			defer mu.Unlock()
			if owns {
				project = candidate.ID
				found() // nobody else can own it
			}
			sure = sure && ok
			return nil
		})
	}
	_ = asked.Wait() // what each found is noted
	if project == "" {
		return "", sure, context.Cause(ctx)
	}
	d.owners.Put(name, project)
	return project, true, nil
}

// owns asks with a key whether its project owns a resource, and says whether it
// got to know.
func (d *Dispatcher) owns(ctx context.Context, to Target, name string) (owns, known bool) {
	resp, err := upstream.Get(to.Context(ctx), to.provider, PathOf(name))
	if err != nil {
		return false, false
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return true, true
	case http.StatusForbidden, http.StatusNotFound:
		return false, true // upstream doesn't tell these two apart
	case http.StatusBadRequest:
		return false, strings.Contains(name, ":") // OpenAI says that an ID is none of its kind
	}
	return false, false
}

// Confines reports whether a caller may use its own resources only.
func (d *Dispatcher) Confines(who resources.Caller) bool { return d.resources.Confines(who) }

// Own returns what a caller is known to have made of some kinds.
func (d *Dispatcher) Own(ctx context.Context, who resources.Caller, kinds ...string) ([]resources.Resource, error) {
	own, err := d.resources.Own(ctx, who.Name, kinds...)
	if err != nil {
		return nil, errWhose(err)
	}
	return own, nil
}

// Made notes what a project has made for a caller. It does so before the caller hears of
// it: what isn't known to be the caller's is of no use to it.
func (d *Dispatcher) Made(ctx context.Context, who resources.Caller, project string, made ...answers.Created) error {
	all := d.resourcesIn(project, made)
	d.placer.Made(all...)
	return d.noted(ctx, who, d.resources.Made(ctx, who.Name, all...))
}

// Changed notes until when something lasts, by the answer of its project.
func (d *Dispatcher) Changed(ctx context.Context, who resources.Caller, project string, changed ...answers.Created) error {
	return d.noted(ctx, who, d.resources.Changed(ctx, d.resourcesIn(project, changed)...))
}

// Seen notes of what a caller's job has made that it is the caller's too, where that isn't
// known. What administrators see isn't made theirs.
func (d *Dispatcher) Seen(ctx context.Context, who resources.Caller, project, name string) error {
	d.owners.Put(name, project)
	if !d.resources.Confines(who) {
		return nil
	}
	has, err := d.resources.Find(ctx, who.Name, []string{name})
	if err != nil || has[name].Project == project {
		return err
	}
	return d.resources.Made(ctx, who.Name, resources.Resource{Name: name, Project: project})
}

// Consists notes the parts of something that a caller made before, which requests may name by themselves, where that isn't known.
func (d *Dispatcher) Consists(ctx context.Context, who resources.Caller, project, whole string, parts []string) error {
	for _, name := range parts {
		d.owners.Put(name, project)
	}
	return d.resources.Consists(ctx, who.Name, project, whole, parts)
}

// Gone notes that a project has deleted something.
func (d *Dispatcher) Gone(ctx context.Context, project, name string) {
	d.placer.Gone(resources.Resource{Name: name, Project: project})
	if err := d.resources.Gone(ctx, resources.Resource{Name: name, Project: project}); err != nil {
		// It is gone all the same. What is kept of it lasts as long as it would have.
		d.logger(ctx).Warn("whose a resource was is still kept", "error", err)
	}
}

// noted returns what the caller is told where what was done could not be written down.
func (d *Dispatcher) noted(ctx context.Context, who resources.Caller, err error) error {
	switch {
	case err == nil:
		return nil
	case !d.resources.Confines(who):
		d.logger(ctx).Warn("not kept whose a resource is", "error", err)
		return nil
	}
	return &apierror.Problem{Code: apierror.Unavailable, Public: "It was done, but it couldn't be written down that it is yours, so it isn't. Please do it again.", Cause: err}
}

// resourcesIn returns what an answer of a project tells of, and remembers where it is.
func (d *Dispatcher) resourcesIn(project string, told []answers.Created) []resources.Resource {
	var all []resources.Resource
	for _, c := range told {
		d.owners.Put(c.Name, project)
		for _, name := range c.Parts {
			d.owners.Put(name, project)
		}
		all = append(all, resources.Resource{Name: c.Name, Project: project, Expires: c.Expires, Note: c.Note, Parts: c.Parts})
	}
	return all
}
