package terminal

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/remote"
)

// StatusOptions says what to show of a status.
type StatusOptions struct {
	// URL is what was asked.
	URL string
	// Events is the number of events, and of refusals and failures, the newest first.
	Events int
	// Days is the number of finished days of the history, the newest first.
	Days int
	// All shows the models that are not in use, too.
	All bool
}

// sizes are the requests whose next start is shown, in tokens.
var sizes = []struct{ tokens, name string }{{"1000", "1k"}, {"10000", "10k"}, {"100000", "100k"}, {"1000000", "1M"}}

// Status shows a status.
func Status(status *remote.Status, o StatusOptions, style Style) string {
	v := statusView{status, o, style}
	var b strings.Builder
	v.summary(&b)
	v.keys(&b)
	if style.wide() {
		v.quota(&b)
	} else {
		v.used(&b)
		v.next(&b)
	}
	v.apart(&b)
	v.limits(&b)
	v.callers(&b)
	v.history(&b)
	v.troubles(&b)
	v.events(&b)
	return b.String()
}

type statusView struct {
	*remote.Status
	options StatusOptions
	style   Style
}

func (v statusView) summary(b *strings.Builder) {
	s := v.style
	b.WriteString(s.paint(bold, clean(v.options.URL)) + " at " + s.clock(v.Now, "2006-01-02 15:04:05") + "\n\n")
	if v.Simulated {
		b.WriteString(s.field("SIMULATED", "answers come from a simulator, not from a real provider"))
	}
	if x := v.Shadow; x != nil {
		b.WriteString(s.field("SHADOW", fmt.Sprintf("every request is sent as it comes; since %s %s of %s would have waited, %s been refused (this instance)",
			s.clock(x.Since, "15:04"), exact(x.Waits), exact(x.Requests), exact(x.Refused))))
	}
	b.WriteString(s.field("mode", v.Mode+by(v.ModeSource)))
	b.WriteString(s.field("chain", strings.Join(v.ModelChain, " > ")+by(v.ChainSource)))
	if v.Prefer != "" && v.Prefer != "any" {
		b.WriteString(s.field("prefer", v.Prefer+by(v.PreferSource)))
	}
	b.WriteString(s.field("day", fmt.Sprintf("ends in %s, at %s", wait(v.Now, &v.ResetsAt), s.clock(v.ResetsAt, "15:04"))))
	if o := v.Operations; o != nil {
		b.WriteString(s.field("Firestore", fmt.Sprintf("%s of %s free reads, %s of %s free writes today",
			exact(o.Reads), exact(o.FreeReads), exact(o.Writes), exact(o.FreeWrites))))
	}
	if len(v.Errors) > 0 {
		var classes []string
		for _, class := range sortedKeys(v.Errors) {
			classes = append(classes, class+": "+exact(v.Errors[class]))
		}
		b.WriteString(s.field("errors", strings.Join(classes, ", ")+" (of "+v.whom()+", today)"))
	}
	b.WriteString(s.field("validated", v.asked(v.Validation)))
	b.WriteString(s.field("policy", v.asked(v.Reported)))
}

// others reports whether there are keys of other providers than Gemini.
func (v statusView) others() bool { return several(v.Keys) }

// several reports whether keys are of other providers than Gemini, too.
func several(keys []remote.Key) bool {
	return slices.ContainsFunc(keys, func(k remote.Key) bool { return k.Provider != "" })
}

// whom is of whom errors are told.
func (v statusView) whom() string {
	if v.others() {
		return "all providers"
	}
	return "Gemini"
}

func by(from string) string {
	if from == "" {
		return ""
	}
	return " (" + source(from) + ")"
}

func (v statusView) asked(c *remote.Checked) string {
	switch {
	case c == nil:
		return "never"
	case c.Error != "":
		return ago(v.Now, c.At) + ", without success: " + c.Error
	}
	return ago(v.Now, c.At)
}

func (v statusView) keys(b *strings.Builder) {
	healthy := 0
	columns, at := []column{{name: "KEY", right: true}, {name: "STATE"}, {name: "PROJECT", least: 10},
		{name: "FINGERPRINT"}, {name: "LAST USED"}, {name: "DETAIL", least: 12, wrap: true}}, 2 // the provider is before the project
	if v.others() {
		columns = slices.Insert(columns, at, column{name: "PROVIDER"})
	}
	g := v.style.grid(columns...)
	for _, k := range v.Keys {
		if k.Status == remote.Healthy {
			healthy++
		}
		used := "never"
		if k.LastUsedAt > 0 {
			used = ago(v.Now, time.UnixMilli(int64(k.LastUsedAt*1000)))
		}
		row := []any{fmt.Sprint(k.Index), state(k), k.Project, k.Fingerprint, used, detail(k, v.Now)}
		if v.others() {
			row = slices.Insert(row, at, any(cmp.Or(k.Provider, "gemini")))
		}
		g.row(row...)
	}
	b.WriteString(v.style.heading(fmt.Sprintf("Keys: %d of %d healthy", healthy, len(v.Keys))))
	b.WriteString(g.String())
}

func state(k remote.Key) cell {
	colours := map[string]colour{
		remote.Healthy: green, remote.Exhausted: yellow, remote.Invalid: red, remote.Disabled: faint,
	}
	return coloured(colours[k.Status], k.Status)
}

// detail says more of a key's state.
func detail(k remote.Key, now time.Time) string {
	var parts []string
	if k.Reason != "" {
		parts = append(parts, k.Reason)
	}
	if !k.Until.IsZero() && k.Status == remote.Exhausted {
		parts = append(parts, "for "+wait(now, &k.Until))
	}
	return strings.Join(parts, ", ")
}

// each calls f for every model of every project that is to be shown, or with nil for a project without one.
func (v statusView) each(f func(project string, m *remote.Model)) {
	for _, p := range v.Projects {
		name, shown := p.Project, false
		for i := range p.Models {
			m := &p.Models[i]
			if !v.options.All && unremarkable(m) {
				continue
			}
			f(name, m)
			shown = true
			if v.style.Width > 0 {
				name = "" // once for the eye, every time for a program
			}
		}
		if !shown {
			f(name, nil)
		}
	}
}

const unused = "(none in use)"

// unremarkable reports whether there is nothing to say of a model but that it is there.
func unremarkable(m *remote.Model) bool {
	for _, l := range []remote.Limit{m.RPM, m.TPM, m.RPD} {
		if l.Used != 0 || l.Source == remote.SourceLearned {
			return false
		}
	}
	return m.Bookings == 0 && m.Block == nil && !m.Probing
}

// quota shows all of a model in one row.
func (v statusView) quota(b *strings.Builder) {
	columns := []column{{name: "PROJECT", least: 8}, modelColumn, {name: "RPM"}, {name: "TPM"}, {name: "RPD"}, {name: "BOOKED", right: true}}
	for _, size := range sizes {
		columns = append(columns, column{name: size.name, right: true})
	}
	g := v.style.grid(append(columns, column{name: "BLOCKED", least: 14, wrap: true})...)
	v.each(func(project string, m *remote.Model) {
		if m == nil {
			g.row(project, coloured(faint, unused), "", "", "", "", "", "", "", "", "")
			return
		}
		row := []any{project, m.Model, usage(m.RPM), usage(m.TPM), usage(m.RPD), bookings(m)}
		for _, size := range sizes {
			row = append(row, v.nextFree(m, size.tokens))
		}
		g.row(append(row, v.blocked(m))...)
	})
	b.WriteString(v.style.heading("Quota: used of limit, and when a request of so many tokens could start"))
	b.WriteString(g.String() + v.legend())
}

// besideMinutes heads the limits that aren't a model's of a minute.
const besideMinutes = "Limits beside those of a model's minute"

// apart lists what has limits of its own beside the models' minutes.
func (v statusView) apart(b *strings.Builder) {
	g := v.style.grid(column{name: "PROJECT", least: 8}, column{name: "OF", least: 14, wrap: true}, column{name: "REQUESTS"}, column{name: "TOKENS"}, column{name: "DAY"},
		column{name: "BLOCKED", least: 14, wrap: true})
	shown := func(l remote.Limit) any {
		if l.Limit < 0 {
			return ""
		}
		return usage(l)
	}
	for _, p := range v.Projects {
		for i := range p.Features {
			if m := &p.Features[i]; m.RPM.Limit >= 0 || m.TPM.Limit >= 0 || m.RPD.Limit >= 0 || m.Block != nil {
				g.row(p.Project, m.Model, shown(m.RPM), shown(m.TPM), shown(m.RPD), v.blocked(m))
			}
		}
	}
	g.section(b, besideMinutes)
}

// used and next are quota for narrow terminals.
func (v statusView) used(b *strings.Builder) {
	g := v.style.grid(column{name: "PROJECT", least: 8}, modelColumn, column{name: "RPM"}, column{name: "TPM"},
		column{name: "RPD"}, column{name: "BOOKED", right: true})
	v.each(func(project string, m *remote.Model) {
		if m == nil {
			g.row(project, coloured(faint, unused), "", "", "", "")
			return
		}
		g.row(project, m.Model, usage(m.RPM), usage(m.TPM), usage(m.RPD), bookings(m))
	})
	b.WriteString(v.style.heading("Quota: used of limit"))
	b.WriteString(g.String() + v.legend())
}

func (v statusView) next(b *strings.Builder) {
	columns := []column{{name: "PROJECT", least: 8}, modelColumn}
	for _, size := range sizes {
		columns = append(columns, column{name: size.name, right: true})
	}
	g := v.style.grid(append(columns, column{name: "BLOCKED", least: 14, wrap: true})...)
	v.each(func(project string, m *remote.Model) {
		if m == nil {
			return
		}
		row := []any{project, m.Model}
		for _, size := range sizes {
			row = append(row, v.nextFree(m, size.tokens))
		}
		g.row(append(row, v.blocked(m))...)
	})
	g.section(b, "When a request of so many tokens could start")
}

// sourceMarks tell where a limit comes from, in a letter after it. A built-in one has none.
var sourceMarks = map[string]string{"tier": "p", "reported": "r", "operator": "o", "run_time": "t", remote.SourceLearned: "l"}

func usage(l remote.Limit) cell {
	text := compact(l.Used) + "/" + limit(l.Limit)
	if mark := sourceMarks[l.Source]; mark != "" {
		text += " " + mark
	}
	switch {
	case l.Limit != remote.Unlimited && l.Used >= l.Limit:
		return coloured(red, text)
	case l.Limit != remote.Unlimited && l.Used*10 >= l.Limit*8:
		return coloured(yellow, text)
	}
	return coloured(plain, text)
}

func bookings(m *remote.Model) string {
	if m.Bookings == 0 {
		return "-"
	}
	return fmt.Sprint(m.Bookings)
}

// nextFree is when a request of so many tokens could start.
func (v statusView) nextFree(m *remote.Model, tokens string) cell {
	start, ok := m.NextFree[tokens]
	if !ok {
		return coloured(faint, "?")
	}
	text := wait(v.Now, start)
	switch text {
	case "now":
		return coloured(green, text)
	case "never":
		return coloured(faint, text)
	}
	return coloured(yellow, text)
}

func (v statusView) blocked(m *remote.Model) cell {
	var parts []string
	if m.Block != nil {
		parts = append(parts, causeText(m.Block.Cause)+" "+wait(v.Now, &m.Block.Until))
	}
	if m.Probing {
		parts = append(parts, "probing")
	}
	return coloured(red, strings.Join(parts, ", "))
}

// legend explains the marks that occur.
func (v statusView) legend() string {
	seen := map[string]bool{}
	for _, p := range v.Projects {
		for _, m := range p.Models {
			for _, l := range []remote.Limit{m.RPM, m.TPM, m.RPD} {
				seen[l.Source] = true
			}
		}
	}
	var parts []string
	for _, from := range []string{remote.SourceLearned, "run_time", "operator", "reported", "tier"} {
		if seen[from] {
			parts = append(parts, sourceMarks[from]+" "+source(from))
		}
	}
	if parts == nil {
		return ""
	}
	return v.style.paint(faint, "limits: "+strings.Join(parts, ", ")+"; others built in") + "\n"
}

// limits lists the limits that aren't built in, with their age, once for all projects that have them alike.
func (v statusView) limits(b *strings.Builder) {
	type key struct {
		model, name string
		limit       int64
		source      string
		since       time.Time
	}
	var order []key
	projects := map[key][]string{}
	for _, p := range v.Projects {
		for _, m := range p.Models {
			for _, l := range []struct {
				name string
				remote.Limit
			}{{"RPM", m.RPM}, {"TPM", m.TPM}, {"RPD", m.RPD}} {
				if l.Source == "" || l.Source == remote.SourceDefault {
					continue
				}
				k := key{m.Model, l.name, l.Limit.Limit, l.Source, l.Since.UTC()}
				if projects[k] == nil {
					order = append(order, k)
				}
				projects[k] = append(projects[k], p.Project)
			}
		}
	}
	g := v.style.grid(modelColumn, column{name: "LIMIT"}, column{name: "VALUE", right: true}, column{name: "SOURCE"},
		column{name: "AGE"}, column{name: "PROJECTS", least: 8})
	for _, k := range order {
		age := "-"
		if !k.since.IsZero() {
			age = durationText(max(0, v.Now.Sub(k.since)))
		}
		names := strings.Join(projects[k], ", ")
		if len(projects[k]) > 1 && len(projects[k]) == len(v.Projects) {
			names = "all"
		}
		g.row(k.model, k.name, limit(k.limit), source(k.source), age, names)
	}
	g.section(b, "Limits that aren't built in")
}

// history sums the projects of each of the last days.
func (v statusView) history(b *strings.Builder) {
	type key struct{ day, model string }
	sums := map[key]remote.Day{}
	for _, d := range v.History {
		k := key{d.Day, d.Model}
		sum := sums[k]
		sum.Requests += d.Requests
		sum.Tokens += d.Tokens
		sums[k] = sum
	}
	var keys []key
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Or(cmp.Compare(b.day, a.day), cmp.Compare(a.model, b.model)) })
	g := v.style.grid(column{name: "DAY"}, modelColumn, column{name: "REQUESTS", right: true}, column{name: "TOKENS", right: true})
	days, last := 0, ""
	for _, k := range keys {
		day := ""
		if k.day != last || v.style.Width == 0 {
			day = k.day
		}
		if k.day != last {
			days, last = days+1, k.day
		}
		if days > v.options.Days {
			break
		}
		g.row(day, k.model, exact(sums[k].Requests), exact(sums[k].Tokens))
	}
	g.section(b, "Days before")
}
