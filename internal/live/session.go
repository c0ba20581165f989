package live

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/candidates"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/scheduler"
)

// Models are those that "auto" stands for where Gemini's list isn't known, in order of
// preference: the names that sessions were captured with in autumn 2026. One that a project
// doesn't have gives way to the next.
var Models = []string{"gemini-3.8-live", "gemini-3.1-flash-live-preview", "gemini-2.5-flash-native-audio-latest"}

const (
	// piece is how much of a message is passed on at a time, in bytes, and what a session
	// has for each way.
	piece = 32 << 10
	// eachSession is what a session takes, in bytes: its two pieces, and what four ends of
	// connections and three goroutines have.
	eachSession = 2*piece + 64<<10
	// setupTimeout is how long a setup may take to come, and Gemini to answer it.
	setupTimeout = 30 * time.Second
)

// serve serves a caller's connection to its end.
func (x *session) serve(conn *side) {
	x.conn = conn
	defer conn.CloseNow()
	conn.SetReadLimit(x.l.most)
	longest := x.longest()
	x.until = time.Now().Add(longest)
	defer time.AfterFunc(longest, func() {
		x.end(ending{websocket.StatusGoingAway, fmt.Sprintf("Sessions last %s here (FLUXGATE_TIMEOUT). Connect again, and resume.", longest)})
	}).Stop()
	x.idle = time.AfterFunc(longest, func() {
		x.end(ending{websocket.StatusGoingAway, fmt.Sprintf("Nothing was said for %s.", x.l.idle)})
	})
	x.idle.Stop() // until something is to be heard
	defer x.idle.Stop()
	begun := time.Now()
	// An end takes with it what has no session yet.
	beginning, cancel := context.WithCancel(x.ctx)
	defer cancel()
	go func() {
		select {
		case <-x.ended:
			cancel()
		case <-beginning.Done():
		}
	}()
	if e := x.run(beginning); e != nil {
		x.end(*e)
	}
	x.close(nil)
	x.log.Info("session over", "code", int(x.how.code), "elapsed", time.Since(begun), "answered", x.answered, "tokens", x.tokens)
}

// longest is how long the session may last: the time of one upstream request, and less than
// what the platform gives where that is known.
func (x *session) longest() time.Duration {
	longest := x.l.longest
	if deadline, ok := x.r.Context().Deadline(); ok {
		const before = 5 * time.Second
		longest = max(time.Second, min(longest, time.Until(deadline)-before)).Truncate(time.Second)
	}
	return longest
}

// run reads the setup and has the session served. It returns how the session ends, nil where
// that has been decided.
func (x *session) run(ctx context.Context) *ending {
	text, held, err := x.readSetup()
	defer held.Release()
	if err != nil {
		return x.endingOfSetup(err)
	}
	if x.setup, err = readSetup(text, held.Grow); err != nil {
		return x.endingOfSetup(err)
	}
	c, p, err := x.call(ctx)
	if err != nil {
		return x.endingOfError(err)
	}
	_, wait, err := x.l.dispatcher.Do(ctx, p, c)
	switch {
	case x.answered:
		return nil
	case wait != nil:
		e := endingOfWait(wait, x.l.admission.Left(wait))
		return &e
	case err != nil:
		return x.endingOfError(err)
	}
	return nil
}

// readSetup reads the first message, until the session is to end.
func (x *session) readSetup() ([]byte, bodies.Charge, error) {
	read := make(chan struct{})
	var closing sync.WaitGroup
	closing.Go(func() {
		select {
		case <-x.ended:
			x.close(nil)
		case <-read:
		}
	})
	defer closing.Wait()
	defer close(read)
	defer time.AfterFunc(setupTimeout, func() {
		x.end(ending{websocket.StatusPolicyViolation, fmt.Sprintf("No setup came within %s.", setupTimeout)})
	}).Stop()
	_, r, err := x.conn.Reader(x.ctx) // were that ended instead, the caller would hear no reason
	if err != nil {
		return nil, bodies.Charge{}, err
	}
	return x.l.bodies.Read(r, bodies.Options{Length: -1, Most: x.l.most})
}

// call returns the call of the session, and the keys that may serve it.
func (x *session) call(ctx context.Context) (*dispatch.Call, *dispatch.Pool, error) {
	refs := x.setup.body.References
	if x.pinned() {
		x.setup.model = x.in.Token.Model // the token's setup counts, whatever this one says
	}
	c, err := x.in.Call(ctx, x.setup.text)
	if err != nil {
		return nil, nil, err
	}
	if c.Models, err = x.candidates(ctx, x.r.Header.Get(candidates.FallbackHeader)); err != nil {
		return nil, nil, err
	}
	if x.pinned() {
		c.Models = c.Models[:1:1] // no other is served in its place
	}
	p, err := x.pool(ctx, refs.Resources)
	if err != nil {
		return nil, nil, err
	}
	c.Demand = scheduler.Demand{Requests: 1}
	c.Send = x.send
	return c, p, x.l.dispatcher.Size(ctx, p, c, dispatch.Sizer{
		Bytes: -1, Estimate: refs.Estimate,
		Features: func() ([]string, bool) { return append(payload.Features(x.setup.text), payload.LiveFeature), true },
	})
}

// pool returns the keys that may serve the session: those of the project in which its token was
// minted, that has the session which is to go on, and that has what is named.
func (x *session) pool(ctx context.Context, names []string) (*dispatch.Pool, error) {
	p, err := x.l.dispatcher.PoolFor(ctx, x.in.Who, names)
	if err != nil {
		return nil, err
	}
	var projects []string
	resumes := false // for certain: a handle that isn't known may be anything
	if x.setup.handle != "" {
		project, known, err := x.l.projectOf(ctx, x.in.Who, p, x.setup.handle)
		if err != nil {
			return nil, err
		}
		resumes, projects = known, append(projects, project)
	}
	if x.in.Token != nil {
		if err := x.l.tokens.MayBegin(x.in.Token.Token); err != nil && !resumes {
			return nil, &apierror.Problem{Code: apierror.Unauthenticated, Public: "The token is used up, or no new session may begin with it any more.", Cause: err}
		}
		projects = append(projects, x.in.Token.Project)
	}
	return only(p, projects...)
}

// candidates returns the models that may serve the session: that which is named, and those that
// "auto" stands for, for that or where the caller's fallback is "chain".
func (x *session) candidates(ctx context.Context, fallback string) ([]string, error) {
	name := x.setup.model
	auto := func() []string {
		if x.l.models != nil {
			if listed := x.l.models(ctx); len(listed) > 0 {
				return listed
			}
		}
		return Models
	}
	if err := candidates.CheckFallback(fallback); err != nil {
		return nil, err
	}
	switch {
	case name == candidates.Auto:
		return auto(), nil
	case !payload.ValidModel(name):
		return nil, payload.ErrModel
	case fallback == "":
		return []string{name}, nil
	}
	return append([]string{name}, slices.DeleteFunc(slices.Clone(auto()), func(m string) bool { return m == name })...), nil
}
