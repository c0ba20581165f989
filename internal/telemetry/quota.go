package telemetry

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"fluxgate.dev/fluxgate/scheduler"
)

// A quotaSource is what quotas are reckoned with.
type quotaSource struct {
	rules func() *scheduler.Rules
	now   func() scheduler.Instant
}

// ObserveQuotas has quotas reported, by the rules and at the store's time that
// are in force when somebody collects.
func (r *Recorder) ObserveQuotas(rules func() *scheduler.Rules, now func() scheduler.Instant) {
	if r != nil && r.m != nil {
		r.quotas.Store(&quotaSource{rules, now})
	}
}

// Shadow has it reported that requests are sent whatever is decided: what is counted as refused went all the same.
func (r *Recorder) Shadow() {
	if r != nil {
		r.shadow.Store(true)
	}
}

// observe registers what is read when somebody collects.
func (r *Recorder) observe(m metric.Meter) error {
	var problems []error
	counter := func(name, unit, text string) metric.Int64ObservableCounter {
		c, err := m.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(text))
		problems = append(problems, err)
		return c
	}
	gauge := func(name, unit, text string) metric.Int64ObservableGauge {
		g, err := m.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(text))
		problems = append(problems, err)
		return g
	}
	reads := counter("fluxgate.store.reads", "{document}", "Project documents read from the quota store.")
	writes := counter("fluxgate.store.writes", "{commit}", "Commits of project documents tried.")
	conflicts := counter("fluxgate.store.conflicts", "{commit}", "Commits that lost a race.")
	recovered := counter("fluxgate.store.recovered", "{commit}", "Commits that applied but reported failure.")
	control := counter("fluxgate.store.control_operations", "{operation}", "Reads and writes of the control document.")
	used := gauge("fluxgate.quota.used", "{quota}", "Requests or tokens that count on a limit now.")
	limit := gauge("fluxgate.quota.limit", "{quota}", "Limits: rpm and tpm per minute, rpd per Pacific day.")
	bookings := gauge("fluxgate.quota.bookings", "{booking}", "Slots that are kept for callers.")
	watching := gauge("fluxgate.shadow", "1", "1 where every request is sent whatever is decided: those counted as refused went all the same.")
	utilization, err := m.Float64ObservableGauge("fluxgate.quota.utilization", metric.WithUnit("1"),
		metric.WithDescription("Share of a limit that is used now; of what is unlimited there is none."))
	problems = append(problems, err)

	observeStore := func(o metric.Observer) {
		c := r.stats.Load()
		if c == nil {
			return
		}
		s := c.stats()
		o.ObserveInt64(reads, s.Reads)
		o.ObserveInt64(writes, s.Writes)
		o.ObserveInt64(conflicts, s.Conflicts)
		o.ObserveInt64(recovered, s.Recovered)
		o.ObserveInt64(control, s.Control)
	}
	observeCalendar := func(o metric.Observer, rules *scheduler.Rules, now scheduler.Instant, project string, c *scheduler.Calendar) {
		place := []attribute.KeyValue{projectKey.String(project), genAIModel.String(c.Model)}
		o.ObserveInt64(bookings, int64(len(c.Booked(rules, now))), metric.WithAttributes(place...))
		f := c.EffectiveLimits(rules, now)
		requests, tokens := c.InWindow(rules, now)
		for _, q := range []struct {
			name        string
			used, limit int64
		}{{"rpm", requests, f.RPM}, {"tpm", tokens, f.TPM}, {"rpd", c.Used(rules, scheduler.DayOf(now)), f.RPD}} {
			set := metric.WithAttributeSet(attribute.NewSet(append(place, quotaKey.String(q.name))...))
			o.ObserveInt64(used, q.used, set)
			if q.limit == scheduler.Unlimited {
				continue
			}
			o.ObserveInt64(limit, q.limit, set)
			if q.limit > 0 {
				o.ObserveFloat64(utilization, float64(q.used)/float64(q.limit), set)
			}
		}
	}
	_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		observeStore(o)
		if r.shadow.Load() {
			o.ObserveInt64(watching, 1)
		}
		source := r.quotas.Load()
		if source == nil {
			return nil
		}
		rules, now := source.rules(), source.now()
		// The chain may have been set at run time.
		for _, model := range rules.Policy.Chain(scheduler.Both) {
			r.models.add(model)
		}
		r.seen.each(func(id string, state *scheduler.Project) {
			for _, c := range state.Calendars {
				// A caller's own limits have a calendar too, of no model.
				if r.models.has(c.Model) {
					observeCalendar(o, rules.Of(id), now, id, c)
				}
			}
		})
		return nil
	}, reads, writes, conflicts, recovered, control, used, limit, bookings, watching, utilization)
	return errors.Join(append(problems, err)...)
}
