package sharing

import (
	"fmt"
	"slices"
	"strings"
)

// A Group is models that share their limits: the name that they are counted by, which may be one of
// theirs, and then their names, each of which may end in "*".
type Group []string

// has reports whether a model is one of the group.
func (g Group) has(model string) bool {
	for i, name := range g {
		if begin, ok := strings.CutSuffix(name, "*"); name == model || ok && i > 0 && strings.HasPrefix(model, begin) {
			return true
		}
	}
	return false
}

// A List is the groups of one provider.
type List []Group

// Check returns what is wrong with the groups, all of it. valid says whether a text can be the name
// of a model.
func (l List) Check(valid func(name string) bool) (problems []error) {
	seen := make(map[string]bool)
	for i, g := range l {
		problem := func(text string) { problems = append(problems, fmt.Errorf("shared, entry %d: %s", i+1, text)) }
		switch {
		case len(g) < 2:
			problem("want the name that its models are counted by, and then their names")
			continue
		case !valid(g[0]) || seen[g[0]]:
			problem("want a name that its models are counted by first, such as one of theirs, once")
		}
		seen[g[0]] = true
		for _, name := range g[1:] {
			if plain := strings.TrimSuffix(name, "*"); !valid(plain) {
				problem("want names of models, or beginnings such as gpt-4o-*")
				break
			}
		}
	}
	return problems
}

// counts reports whether a group is counted by a name.
func (l List) counts(name string) bool {
	return slices.ContainsFunc(l, func(g Group) bool { return len(g) > 0 && g[0] == name })
}

// counted returns the name that a model is counted by; empty: it is in no group.
func (l List) counted(model string) string {
	for _, g := range l {
		if len(g) > 0 && g.has(model) {
			return g[0]
		}
	}
	return ""
}
