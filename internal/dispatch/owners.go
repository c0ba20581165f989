package dispatch

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/payload/answers"
)

// Files and cached contents belong to the project that made them: only its keys
// can read them. Whoever made one through this instance is remembered; any other
// owner is found by asking the projects.

// resourcePath begins the upstream path of a resource.
const resourcePath = "v1beta/"

// searchTimeout bounds the search for an owner.
const searchTimeout = 10 * time.Second

// maxOwners bounds how many owners are remembered.
const maxOwners = 10_000

// Owners narrows the pool to the project that owns what the request refers to.
func (d *Dispatcher) Owners(ctx context.Context, p *Pool, resources []string) (*Pool, error) {
	project := ""
	lookups := 0
	for _, name := range resources {
		owner, known := d.owners.get(name)
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
			return nil, apierror.Invalid("body", "it mentions files or cached contents of two projects, which no key can read together. Have them in one project: the first upload decides, if later ones wait for its answer.")
		}
		project = owner
	}
	if project == "" {
		return p, nil
	}
	return p.Only(project), nil
}

// maxLookedUp bounds for how many resources of one request the owner is looked
// up: a request may mention thousands of files.
const maxLookedUp = 32

// Owner returns the project that owns a resource.
func (d *Dispatcher) Owner(ctx context.Context, p *Pool, name string) (string, error) {
	if project, ok := d.owners.get(name); ok && p.Has(project) {
		return project, nil
	}
	return d.find(ctx, p, name, "")
}

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
	return "", apierror.New(apierror.NotFound, "No usable project owns "+name+", or it has expired.")
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
	d.owners.put(name, project)
	return project, true, nil
}

// owns asks with a key whether its project owns a resource, and says whether it
// got to know.
func (d *Dispatcher) owns(ctx context.Context, to Target, name string) (owns, known bool) {
	req, err := to.provider.NewRequest(to.Context(ctx), http.MethodGet, resourcePath+name, nil)
	if err != nil {
		return false, false
	}
	resp, err := to.provider.Do(req)
	if err != nil {
		return false, false
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return true, true
	case http.StatusForbidden, http.StatusNotFound:
		return false, true // upstream doesn't tell these two apart
	}
	return false, false
}

// Remember notes who owns the resources that an answer says were made.
func (d *Dispatcher) Remember(answer []byte, project string) {
	for _, name := range answers.CreatedNames(answer) {
		d.owners.put(name, project)
	}
}
