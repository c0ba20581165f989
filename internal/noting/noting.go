package noting

import (
	"context"
	"log/slog"
	"net/http"
	"slices"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/jobs"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/payload/references"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/internal/routes"
)

// Options are what a Noting works with. All but Jobs are required.
type Options struct {
	Dispatcher *dispatch.Dispatcher
	Jobs       *jobs.Registry // nil: nobody counts what jobs use
	Logger     *slog.Logger
	Route      *routes.Route
	Names      []string // in the path
	Who        resources.Caller
}

// A Noting notes what one answer tells of. Nil is that of an answer that tells of nothing.
type Noting struct {
	o      Options
	finder *answers.Finder
	unkept bool
	made   []string
	noted  map[string]bool // by name
}

// maxNoted bounds how many names in one answer are written down.
const maxNoted = 64

// New returns one for the answer of a route.
func New(o Options) *Noting {
	members := slices.Concat(o.Route.Makes, o.Route.Parts, o.Route.Opens)
	if len(members) == 0 {
		return nil
	}
	return &Noting{o: o, finder: answers.NewFinder(members), noted: make(map[string]bool)}
}

// Unkept says that what the answer makes isn't kept upstream. The container that it is made with is.
func (n *Noting) Unkept() {
	if n != nil {
		n.unkept = true
	}
}

// Made returns what the answer said that it made and that may go on: a chat is over once it is answered.
func (n *Noting) Made() []string {
	if n == nil || n.o.Route.Chats() {
		return nil
	}
	return n.made
}

// See notes what stands in a piece of the answer. The answer is the caller's even if that fails.
func (n *Noting) See(ctx context.Context, to dispatch.Target, piece []byte) {
	if n == nil {
		return
	}
	var made, parts []string
	for _, found := range n.finder.Find(piece) {
		switch {
		case slices.Contains(n.o.Route.Opens, found.Member):
			n.seen(ctx, to, n.name(to, found.Text, references.Containers))
		case n.unkept:
		case slices.Contains(n.o.Route.Parts, found.Member):
			if name := n.name(to, found.Text, references.Items); name != "" {
				parts = append(parts, name)
			}
		case n.o.Route.Method == http.MethodGet:
			n.follow(ctx, to, n.name(to, found.Text, n.o.Route.Made()))
		default:
			if name := n.name(to, found.Text, n.o.Route.Made()); name != "" {
				made = append(made, name)
			}
		}
	}
	n.made = append(n.made, made...)
	if len(made) > 0 || len(parts) > 0 {
		n.consists(ctx, to, made, parts)
	}
}

// name returns the name by which something is known here that an answer names, the first time that
// it does; else "".
func (n *Noting) name(to dispatch.Target, text, under string) string {
	name := n.o.Route.KeptName(to.Key.Of(), answers.ResourceName(text, under))
	if name == "" || n.noted[name] || len(n.noted) == maxNoted {
		return ""
	}
	n.noted[name] = true
	return name
}

// seen notes what the answer shows that the caller has.
func (n *Noting) seen(ctx context.Context, to dispatch.Target, name string) {
	if name != "" {
		n.failed(ctx, n.o.Dispatcher.Seen(ctx, n.o.Who, to.Key.Project, name))
	}
}

// follow notes what has become of what the path names, such as a file with its results.
func (n *Noting) follow(ctx context.Context, to dispatch.Target, name string) {
	if n.seen(ctx, to, name); name != "" && n.o.Route.Collection() == "batches" {
		n.o.Jobs.Follow(ctx, to.Key.Project, n.o.Route.KeptName(to.Key.Of(), n.o.Route.Resource(n.o.Names)), name)
	}
}

// consists notes what a piece of the answer has made, and the parts of what the answer makes, or else of what the path
// names.
func (n *Noting) consists(ctx context.Context, to dispatch.Target, made, parts []string) {
	if len(n.made) == 0 {
		whole := n.o.Route.KeptName(to.Key.Of(), n.o.Route.Resource(n.o.Names))
		n.failed(ctx, n.o.Dispatcher.Consists(ctx, n.o.Who, to.Key.Project, whole, parts))
		return
	}
	if len(made) == 0 {
		made = n.made[:1] // it is known already, without these
	}
	all := make([]answers.Created, len(made))
	for i, name := range made {
		all[i].Name = name
	}
	all[0].Parts = parts
	n.failed(ctx, n.o.Dispatcher.Made(ctx, n.o.Who, to.Key.Project, all...))
}

func (n *Noting) failed(ctx context.Context, err error) {
	if err != nil {
		n.o.Logger.WarnContext(ctx, "not kept whose a resource is", "error", err)
	}
}
