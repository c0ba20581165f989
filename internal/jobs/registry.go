package jobs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/budget"
	"fluxgate.dev/fluxgate/internal/recent"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/usage"
)

// shards is how many records there are. It may not change: jobs lie by it.
const shards = 16

// writeTimeout bounds what is written, whatever becomes of the caller.
const writeTimeout = 10 * time.Second

// maxOver bounds of how many jobs this instance remembers that nothing is left to be counted.
const maxOver = 4096

// Records is the part of a store that jobs are kept in.
type Records interface {
	Record(ctx context.Context, name string) ([]byte, error)
	UpdateRecord(ctx context.Context, name string, change func(data []byte) ([]byte, error)) ([]byte, error)
}

// Options are what a Registry works with. All but Budgets and Telemetry are required.
type Options struct {
	Records Records
	// Now tells the time of the store.
	Now    func() time.Time
	Logger *slog.Logger
	Usage  *usage.Meter
	// Budgets are what callers may spend. Nil: nobody has one.
	Budgets *budget.Ledger
	// Telemetry records what is used. Nil: nothing does.
	Telemetry *telemetry.Recorder
}

// A Registry knows whose jobs are that aren't counted yet. It is safe for use by any number of
// goroutines; the nil one counts nothing.
type Registry struct {
	o    Options
	over *recent.Map[place, bool]
}

// New returns a registry.
func New(o Options) *Registry { return &Registry{o: o, over: recent.New[place, bool](maxOver)} }

// A Job is one that was made.
type Job struct {
	Project, Name string
	Caller        string
	Model         string // as it is counted; "": its results say
	Batch         bool   // else it runs in the background, and was counted
	Before        int64  // then the input tokens that it was counted with
}

// Made notes a job, before its caller hears of it. Where that fails it goes uncounted, and the log
// says so.
func (g *Registry) Made(ctx context.Context, j Job) {
	if g == nil {
		return
	}
	e := entry{Caller: j.Caller, Model: j.Model, Batch: j.Batch, Before: j.Before, Until: g.o.Now().Add(kept).Unix()}
	_, _ = g.change(ctx, j.Project, func(entries map[place]entry) bool {
		entries[place{j.Project, j.Name}] = e
		return true
	})
}

// Follow notes that results of a job lie in a file.
func (g *Registry) Follow(ctx context.Context, project, name, file string) {
	if g == nil {
		return
	}
	at, followed := place{project, name}, place{project, name + " " + file}
	if known, _ := g.over.Get(followed); known {
		return
	}
	_, err := g.change(ctx, project, func(entries map[place]entry) bool {
		e, known := entries[at]
		if !known || slices.Contains(e.Files, file) {
			return false
		}
		now := g.o.Now()
		entries[place{project, file}] = entry{Caller: e.Caller, Model: e.Model, Batch: e.Batch, Until: now.Add(kept).Unix()}
		e.Files, e.Until = append(e.Files, file), min(e.Until, now.Add(keptBeside).Unix())
		entries[at] = e
		return true
	})
	if err == nil {
		g.over.Put(followed, true)
	}
}

// Open reports whether something of a job, or of a file with results, isn't counted yet. What
// can't be read is taken for counted.
func (g *Registry) Open(ctx context.Context, project, name string) bool {
	if g == nil {
		return false
	}
	at := place{project, name}
	if over, _ := g.over.Get(at); over {
		return false
	}
	data, err := g.o.Records.Record(ctx, recordOf(project))
	if err == nil {
		var d *document
		if d, err = decode(data, g.o.Now()); err == nil {
			_, known := d.entries[at]
			if !known && !strings.Contains(name, "files/") { // files are known once a job's answer names them
				g.over.Put(at, true)
			}
			return known
		}
	}
	g.o.Logger.Warn("not known whether a job is counted", "project", project, "error", err)
	return false
}

// claim takes results of a job from the n-th on, up to the end-th, for this instance to count:
// those that nobody has, from a number on. All says that there are no more.
func (g *Registry) claim(ctx context.Context, at place, n, end int64, all bool) (e entry, from int64, ok bool) {
	if !g.Open(ctx, at.project, at.name) {
		return e, 0, false
	}
	ok, _ = g.change(ctx, at.project, func(entries map[place]entry) bool {
		var known bool
		if e, known = entries[at]; !known || n > e.Read {
			return false // it is counted, or what came before wasn't claimed
		}
		from = e.Read
		next := e
		if next.Read = max(e.Read, end); all {
			delete(entries, at)
		} else {
			entries[at] = next
		}
		return true
	})
	if all && ok {
		g.over.Put(at, true)
	}
	return e, from, ok
}

// change changes a project's record, and reports whether something was changed and written. An
// error is in the log.
func (g *Registry) change(ctx context.Context, project string, do func(entries map[place]entry) bool) (done bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	dropped := 0
	_, err = g.o.Records.UpdateRecord(ctx, recordOf(project), func(data []byte) (out []byte, err error) {
		d, err := decode(data, g.o.Now())
		if err != nil {
			return nil, err // it isn't written over: another build may read it
		}
		if done = do(d.entries); !done {
			return nil, errUnchanged
		}
		out, dropped, err = d.encode()
		return out, err
	})
	switch {
	case errors.Is(err, errUnchanged):
		return false, nil
	case err != nil:
		g.o.Logger.Warn("not kept what a job used", "project", project, "error", err)
		return false, err
	case dropped > 0:
		g.o.Logger.Warn("jobs go uncounted: there are too many", "project", project, "number", dropped)
	}
	return true, nil
}

// errUnchanged ends a change that changes nothing.
var errUnchanged = errors.New("unchanged")

func recordOf(project string) string {
	return fmt.Sprintf("jobs-%x", int(sha256.Sum256([]byte(project))[0])%shards)
}
