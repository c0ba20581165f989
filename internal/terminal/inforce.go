package terminal

import (
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/remote"
)

// ModeInForce shows the mode, and where it comes from.
func ModeInForce(s *remote.Status, _ Style) string { return s.Mode + by(s.ModeSource) + "\n" }

// PreferInForce shows which projects are used first, and where that comes from.
func PreferInForce(s *remote.Status, _ Style) string {
	return s.Prefer + by(s.PreferSource) + "\n"
}

// ChainInForce shows the chain under the mode, and where it comes from.
func ChainInForce(s *remote.Status, style Style) string {
	return style.field("chain", strings.Join(s.ModelChain, " > ")+by(s.ChainSource)) + style.field("mode", s.Mode+by(s.ModeSource))
}

// LimitsInForce shows the limits of the models of the chain, and of others in use, and where they come from; "all" are all
// projects that have the model. Behind them are those that projects have beside their models' minutes.
func LimitsInForce(s *remote.Status, style Style) string {
	type numbers struct{ model, rpm, tpm, rpd string }
	with := func(l remote.Limit) string { return limit(l.Limit) + by(l.Source) }
	var order []numbers
	projects := map[numbers][]string{}
	holders := map[string]int{} // how many projects have a model
	for _, p := range s.Projects {
		for _, m := range p.Models {
			holders[m.Model]++
			n := numbers{m.Model, with(m.RPM), with(m.TPM), with(m.RPD)}
			if projects[n] == nil {
				order = append(order, n)
			}
			projects[n] = append(projects[n], p.Project)
		}
	}
	place := func(model string) int {
		if i := slices.Index(s.ModelChain, model); i >= 0 {
			return i
		}
		return len(s.ModelChain)
	}
	slices.SortStableFunc(order, func(a, b numbers) int { return place(a.model) - place(b.model) })
	g := style.grid(modelColumn, column{name: "RPM", right: true}, column{name: "TPM", right: true}, column{name: "RPD", right: true}, column{name: "PROJECTS", least: 8})
	for _, n := range order {
		names := strings.Join(projects[n], ", ")
		if len(projects[n]) > 1 && len(projects[n]) == holders[n.model] {
			names = "all"
		}
		g.row(n.model, n.rpm, n.tpm, n.rpd, names)
	}
	var b strings.Builder
	b.WriteString(g.String())
	beside := style.grid(column{name: "OF", least: 14, wrap: true}, column{name: "REQUESTS", right: true}, column{name: "TOKENS", right: true}, column{name: "DAY", right: true},
		column{name: "PROJECT", least: 8})
	named := func(l remote.Limit) string {
		if l.Limit < 0 {
			return ""
		}
		return with(l)
	}
	for _, p := range s.Projects {
		for _, m := range p.Features {
			if m.RPM.Limit >= 0 || m.TPM.Limit >= 0 || m.RPD.Limit >= 0 {
				beside.row(m.Model, named(m.RPM), named(m.TPM), named(m.RPD), p.Project)
			}
		}
	}
	beside.section(&b, besideMinutes)
	return b.String()
}
