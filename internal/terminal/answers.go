package terminal

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/remote"
)

// Plan shows when and where a request could start.
func Plan(p *remote.Plan, style Style) string {
	var b strings.Builder
	size := exact(p.Tokens) + " tokens"
	if p.Counted {
		size += ", counted by Gemini"
	}
	b.WriteString(style.field("request", size))
	best := "never"
	if c := p.Best; c != nil && c.Start != nil {
		best = wait(p.Now, c.Start)
		if best != "now" {
			best = "in " + best + ", at " + style.clock(*c.Start, "15:04:05")
		}
		best += ": " + c.Model + " on " + c.Project
	}
	b.WriteString(style.field("could go", best))
	if o := p.Own; o != nil {
		own, why := "never", causeText(o.Cause)
		if o.Budget != "" {
			why = "your budget, " + o.Budget
		}
		if o.Start != nil {
			own = "not before " + style.clock(*o.Start, "2006-01-02 15:04:05") + ", in " + wait(p.Now, o.Start)
		}
		b.WriteString(style.field("your own", own+": "+why))
	}
	g := style.grid(column{name: "PROJECT", least: 8}, modelColumn, column{name: "STARTS", right: true},
		column{name: "BECAUSE OF"}, column{name: "RPM", right: true}, column{name: "TPM", right: true}, column{name: "RPD", right: true})
	for _, c := range p.Candidates {
		starts := coloured(yellow, wait(p.Now, c.Start))
		switch starts.text {
		case "now":
			starts.colour = green
		case "never":
			starts.colour = faint
		}
		g.row(c.Project, c.Model, starts, causeOf(c), limit(c.Limits.RPM), limit(c.Limits.TPM), limit(c.Limits.RPD))
	}
	if !g.empty() {
		b.WriteString("\n" + g.String())
	}
	return b.String()
}

// causeOf says what keeps a candidate, and of what that is a limit.
func causeOf(c remote.Candidate) string {
	if c.Of == "" {
		return causeText(c.Cause)
	}
	of := " (" + clean(c.Of) + ")"
	switch c.Cause {
	case "rpm":
		return "requests" + of // not within a minute
	case "tpm":
		return "tokens" + of
	}
	return causeText(c.Cause) + of
}

// Validation shows how the keys were found.
func Validation(v *remote.Validation, style Style) string {
	var b strings.Builder
	if v.Running {
		b.WriteString("Another instance is at it. This is what was found before:\n")
	}
	columns, at, others := []column{{name: "KEY", right: true}, {name: "STATE"}, {name: "PROJECT", least: 10}, {name: "DETAIL", least: 12, wrap: true}}, 2, several(v.Keys)
	if others {
		columns = slices.Insert(columns, at, column{name: "PROVIDER"})
	}
	g := style.grid(columns...)
	for _, k := range v.Keys {
		row := []any{fmt.Sprint(k.Index), state(k), k.Project, detail(k, v.At)}
		if others {
			row = slices.Insert(row, at, any(cmp.Or(k.Provider, "gemini")))
		}
		g.row(row...)
	}
	b.WriteString(g.String())
	return b.String()
}

// PolicyReport shows the limits that Gemini reports, and what of them isn't believed.
func PolicyReport(p *remote.PolicyReport, style Style) string {
	var b strings.Builder
	g := style.grid(modelColumn, column{name: "RPM", right: true}, column{name: "TPM", right: true}, column{name: "RPD", right: true})
	for _, model := range sortedKeys(p.Models) {
		l := p.Models[model]
		g.row(model, limit(l.RPM), limit(l.TPM), limit(l.RPD))
	}
	if !g.empty() {
		b.WriteString(g.String())
	}
	for _, r := range p.Refused {
		text := fmt.Sprintf("refused: %s %s %s, at most %s is believed",
			clean(r.Model), strings.ToUpper(clean(r.Limit)), exact(r.Value), exact(r.Most))
		b.WriteString(style.paint(yellow, text) + "\n")
	}
	return b.String()
}

// KeyChanged draws what an accepted change of POST /config did to a key, which its answer doesn't
// say; nothing where it was about something else.
func KeyChanged(c remote.Change, style Style) string {
	switch {
	case c.DisableKey != nil:
		return style.field("key", strconv.Itoa(*c.DisableKey)+" disabled")
	case c.EnableKey != nil:
		return style.field("key", strconv.Itoa(*c.EnableKey)+" enabled")
	}
	return ""
}

// Configured shows the settings after a change.
func Configured(c *remote.Configured, style Style) string {
	var b strings.Builder
	b.WriteString(style.field("mode", c.Mode))
	if c.Prefer != "" {
		b.WriteString(style.field("prefer", c.Prefer))
	}
	if len(c.ModelChain) > 0 {
		b.WriteString(style.field("chain", strings.Join(c.ModelChain, " > ")))
	}
	for _, model := range sortedKeys(c.Limits) {
		var parts []string
		for _, name := range []string{"rpm", "tpm", "rpd"} {
			if value, ok := c.Limits[model][name]; ok {
				parts = append(parts, strings.ToUpper(name)+" "+limit(value))
			}
		}
		b.WriteString(style.field("limits", model+": "+strings.Join(parts, ", ")))
	}
	if len(c.Unlisted) > 0 {
		b.WriteString(style.field("unlisted", strings.Join(c.Unlisted, ", ")+": not among the models that Gemini lists for text; is that what you mean?"))
	}
	return b.String()
}
