package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/gate"
	"fluxgate.dev/fluxgate/internal/gemini"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

const (
	// goneFor is how long a model without quota, or retired, is left alone on a
	// project before it is tried again.
	goneFor = 24 * time.Hour
	// roundedDown is the most by which upstream's delays are too short: they are
	// cut to whole seconds.
	roundedDown = time.Second
	maxAliases  = 64
)

// heed settles a failed request and keeps what its error teaches. A returned
// error means that it couldn't be kept.
func (d *dispatcher) heed(ctx context.Context, grant *gate.Grant, key keys.Key, e *gemini.Error) error {
	unknown := e.Class == gemini.ClassModelUnknown
	err := d.s.gate.Fail(ctx, grant, gate.Failure{Class: e.Class.String(), SentAt: e.SentAt, UnknownModel: unknown})
	if unknown {
		return err
	}
	return errors.Join(err, d.teach(ctx, grant, key, e))
}

// teach keeps what an error teaches of keys, models and limits.
func (d *dispatcher) teach(ctx context.Context, grant *gate.Grant, key keys.Key, e *gemini.Error) error {
	s := d.s
	var problems []error
	switch e.Class {
	case gemini.ClassKeyInvalid:
		problems = append(problems, s.markInvalid(ctx, key, e))
	case gemini.ClassBilling:
		reason := gemini.ReasonBilling
		for _, k := range d.pool.keys {
			if k.Project == key.Project {
				result, err := s.gate.Apply(ctx, k.Project, scheduler.SetMark{Key: k.Fingerprint, Invalid: &reason})
				if err == nil && result.Changed {
					d.log.Warn("key invalid", "key", k.Index, "project", k.Project, "reason", reason)
				}
				problems = append(problems, err)
			}
		}
	default:
		if lesson, ok := d.lesson(ctx, grant, e); ok {
			problems = append(problems, d.learn(ctx, grant.Project, lesson))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("keep what upstream taught: %w", err)
	}
	return nil
}

// learn keeps a lesson, and tells of limits that weren't known.
func (d *dispatcher) learn(ctx context.Context, project string, lesson scheduler.RecordRefusal) error {
	states, err := d.s.gate.Store().View(ctx, []string{project})
	if err != nil {
		return err
	}
	known := states[0].Calendar(lesson.Model).EffectiveLimits(d.s.gate.Rules(), d.s.gate.Now()).Limits
	if _, err := d.s.gate.Apply(ctx, project, lesson); err != nil {
		return err
	}
	for _, x := range []struct {
		name           string
		taught, before int64
	}{{"requests per minute", lesson.Limits.RPM, known.RPM}, {"tokens per minute", lesson.Limits.TPM, known.TPM}, {"requests per day", lesson.Limits.RPD, known.RPD}} {
		if x.taught > 0 && x.taught != x.before {
			d.s.happened(ctx, events.Fluxgate, fmt.Sprintf("learned from a 429: %s on %s has %d %s, not %d", lesson.Model, project, x.taught, x.name, x.before))
		}
	}
	return nil
}

// lesson is what an error teaches about a model on a project.
func (d *dispatcher) lesson(ctx context.Context, grant *gate.Grant, e *gemini.Error) (scheduler.RecordRefusal, bool) {
	now := d.s.gate.Now()
	h := scheduler.RecordRefusal{Model: grant.Model, ID: grant.Reservation.ID}
	for _, v := range e.Violations {
		if v.Model != "" && d.s.learnAlias(ctx, d.asked.of(grant.Model), v.Model) {
			h.Model = v.Model
		}
		switch v.Kind {
		case gemini.RequestsPerMinute:
			h.Limits.RPM = max(v.Value, 0)
		case gemini.TokensPerMinute:
			h.Limits.TPM = max(v.Value, 0)
			if v.Value > 0 && d.demand.Tokens > v.Value {
				h.Oversize = d.demand.Tokens
			}
		case gemini.RequestsPerDay:
			h.Limits.RPD = max(v.Value, 0)
		}
	}
	switch e.Class {
	case gemini.ClassDay:
		h.Block.Cause = scheduler.ByDay
	case gemini.ClassMinute:
		h.Block = scheduler.Block{Cause: scheduler.ByMinute, Until: now.Add(e.RetryDelay + roundedDown)}
		if e.RetryDelay == 0 {
			// It doesn't say how long, so it is treated as one that says nothing.
			h.Block = scheduler.Block{Cause: scheduler.ByBare}
		}
	case gemini.ClassBare429:
		h.Block.Cause = scheduler.ByBare
	case gemini.ClassNoQuota, gemini.ClassModelGone:
		h.Block = scheduler.Block{Cause: scheduler.Unavailable, Until: now.Add(goneFor)}
	default:
		return h, false
	}
	return h, true
}

// recount counts a request whose size is only known to be at most so much, once
// upstream names a limit below that: its size is about to be learned from.
func (d *dispatcher) recount(ctx context.Context, e *gemini.Error) {
	if d.exact {
		return
	}
	for _, v := range e.Violations {
		if v.Kind != gemini.TokensPerMinute || v.Value <= 0 || d.demand.Tokens <= v.Value {
			continue
		}
		n, err := d.call.count(ctx)
		if err != nil {
			d.log.Warn("count failed", "error", err)
			return
		}
		d.demand.Tokens, d.exact = n, true
		return
	}
}

// aliases are the names by which models were asked for, by the bucket that they
// draw on, where the two differ.
type aliases map[string]string

// of returns the name by which the model of a bucket is asked for.
func (a aliases) of(bucket string) string {
	if name, ok := a[bucket]; ok {
		return name
	}
	return bucket
}

// buckets returns the models whose calendars the named ones draw on, and by
// which name each is asked for: aliases share the bucket of what they stand for.
func (s *Server) buckets(ctx context.Context, names []string) (chain []string, asked aliases, err error) {
	control, err := s.gate.Control(ctx)
	if err != nil {
		return nil, nil, err
	}
	if !slices.ContainsFunc(names, func(name string) bool { return control.Aliases[name] != "" }) {
		return names, nil, nil
	}
	asked = make(aliases, len(names))
	for _, name := range names {
		bucket, ok := control.Aliases[name]
		if !ok {
			bucket = name
		}
		if _, twice := asked[bucket]; !twice {
			asked[bucket] = name
			chain = append(chain, bucket)
		}
	}
	return chain, asked, nil
}

// learnAlias notes that requests for a name count against another model, and
// reports whether they do so from now on.
func (s *Server) learnAlias(ctx context.Context, name, bucket string) bool {
	if name == bucket || !modelName.MatchString(bucket) {
		return false
	}
	control, err := s.gate.Control(ctx)
	if err == nil && control.Aliases[name] != bucket {
		control, err = s.gate.UpdateControl(ctx, func(c *storage.Control) error {
			if c.Aliases == nil {
				c.Aliases = make(map[string]string)
			}
			if _, known := c.Aliases[name]; known || len(c.Aliases) < maxAliases {
				c.Aliases[name] = bucket
			}
			return nil
		})
	}
	if err != nil {
		s.logger(ctx).Warn("alias not kept", "name", name, "error", err)
		return false
	}
	return control.Aliases[name] == bucket
}

// learnVersion notes what an answer says of the model that gave it. Only of a
// name that says it is an alias: the version behind a plain name is no bucket of
// its own. What a refusal taught of the alias knows better.
func (s *Server) learnVersion(ctx context.Context, name, version string) {
	if !isAlias(name) || version == "" {
		return
	}
	if control, err := s.gate.Control(ctx); err == nil && control.Aliases[name] == "" {
		s.learnAlias(ctx, name, strings.TrimPrefix(version, "models/"))
	}
}

// isAlias reports whether a model's name says that it stands for another's.
func isAlias(name string) bool { return strings.HasSuffix(name, "-latest") }
