package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// usable reports whether a listed model takes text and has it counted.
func usable(m upstream.Model) bool {
	return slices.Contains(m.Methods, "generateContent") && slices.Contains(m.Methods, "countTokens")
}

// discover returns the chain that a models list amounts to at an instant: its text models, best first, at most
// [scheduler.MaxModels]. From a list of just the built-in models it makes the built-in chain.
//
// What the list says of a model comes first, and names decide where it says the same: models that take long inputs before
// those that take less, stable before previews, thinking before others; then what the name says of the kind (pro and kinds
// that are new, flash, flash-lite, open models), and the newest version first. Whoever is about to be shut down is left out
// ([upstream.Model].Retires); retiring has those of which answers have said so.
//
// Of every version and kind it takes one name: the stable one, else the highest numbered, else the undated preview,
// else the latest dated one. The others are earlier states of the same model, or other names of it, and two names that
// draw on one quota would be counted as two. For the same reason no "-latest" alias is taken. So a built-in preview
// gives way once its stable model is listed; the other built-in models stay, and what is newer stands before them.
//
// It returns nil if the list names no text model. If all are about to be shut down, they stay.
func discover(models []upstream.Model, retiring map[string]time.Time, now time.Time) []string {
	leaving := func(m upstream.Model) bool { return leaves(m.Retires, now) || leaves(retiring[m.Name], now) }
	if chain := chainOf(slices.DeleteFunc(slices.Clone(models), leaving)); chain != nil {
		return chain
	}
	return chainOf(models)
}

func chainOf(models []upstream.Model) []string {
	best := map[string]*release{}
	for _, m := range models {
		r := parseRelease(m)
		if r == nil || !usable(m) {
			continue
		}
		k := fmt.Sprint(r.version, r.kind)
		if known := best[k]; known == nil || r.supersedes(known) {
			best[k] = r
		}
	}
	list := slices.SortedFunc(maps.Values(best), func(a, b *release) int {
		return cmp.Or(
			cmp.Compare(one(a.short), one(b.short)),
			cmp.Compare(one(a.preview), one(b.preview)),
			cmp.Compare(one(a.thoughtless), one(b.thoughtless)),
			cmp.Compare(place(a.family), place(b.family)),
			slices.Compare(b.version, a.version),
			cmp.Compare(b.size, a.size),
			cmp.Compare(a.name, b.name),
		)
	})
	var chain []string
	for _, r := range list[:min(len(list), scheduler.MaxModels)] {
		chain = append(chain, r.name)
	}
	return chain
}

// leaves reports whether a model that is shut down at an instant (zero: never) leaves the chain: before the list is asked
// for again it will be gone.
func leaves(retires, now time.Time) bool { return !retires.IsZero() && retires.Before(now.Add(MaxAge)) }

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// place is the order in which the chain prefers the families.
func place(f scheduler.Family) int {
	return slices.Index([]scheduler.Family{scheduler.Pro, scheduler.Flash, scheduler.FlashLite, scheduler.Gemma}, f)
}

// maxWindows bounds the map that windows returns, against a list that grows beyond all measure.
const maxWindows = 64

// windows returns the input token limit of every listed model that generates, by name. A model whose limit upstream
// doesn't say is left out.
func windows(models []upstream.Model) map[string]int64 {
	out := map[string]int64{}
	for _, m := range models {
		if len(out) < maxWindows && m.InputTokenLimit > 0 && len(m.Name) <= maxName && usable(m) {
			out[m.Name] = m.InputTokenLimit
		}
	}
	return out
}
