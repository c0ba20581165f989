package policy

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// textName is how Google names a text model: gemini, version, family, and what sets a release apart. It says what
// belongs into a chain, not what doesn't: speech, images, live conversation, robotics and whatever comes next share the
// prefix and the methods of text models, and differ only in a further word. So do experiments ("-exp") and variants for
// one purpose ("-customtools"), and none of them is to be chosen by itself.
var textName = regexp.MustCompile(
	`^gemini-([0-9]{1,3}(?:\.[0-9]{1,3}){0,2})-(pro|flash-lite|flash)(?:-([0-9]{3})|(-preview)(?:-([0-9]{2})-([0-9]{2}|20[0-9]{2}))?)?$`)

// release is a text model's name, taken apart.
type release struct {
	name    string
	version []int
	family  scheduler.Family
	preview bool
	// rank orders the releases of one version and family: the undated preview or stable name is above all dates and
	// numbers, which count upwards.
	rank int
}

// undated is the rank of a name without number or date, above every other.
const undated = 1 << 30

func parseRelease(name string) (release, bool) {
	found := textName.FindStringSubmatch(name)
	if found == nil {
		return release{}, false
	}
	r := release{name: name, family: scheduler.FamilyOf(name), preview: found[4] != "", rank: undated}
	for number := range strings.SplitSeq(found[1], ".") {
		r.version = append(r.version, digits(number))
	}
	for len(r.version) > 1 && r.version[len(r.version)-1] == 0 {
		r.version = r.version[:len(r.version)-1] // 3.0 is 3
	}
	switch number, month, rest := found[3], found[5], found[6]; {
	case number != "":
		r.rank = digits(number)
	case len(rest) == 4: // preview-09-2025: month and year
		r.rank = digits(rest)*10_000 + digits(month)*100
	case rest != "": // preview-05-20: month and day, as Google dated them until the middle of 2025
		r.rank = digits(month)*100 + digits(rest)
	}
	return r, true
}

// digits reads a number of at most four digits.
func digits(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// supersedes reports whether of two releases of the same version and family a is to be used.
func (a release) supersedes(b release) bool {
	if a.preview != b.preview {
		return b.preview
	}
	if a.rank != b.rank {
		return a.rank > b.rank
	}
	return a.name < b.name // "gemini-3-pro" and "gemini-3.0-pro": either, but always the same
}

// usable reports whether a listed model takes text and has it counted.
func usable(m upstream.Model) bool {
	return slices.Contains(m.Methods, "generateContent") && slices.Contains(m.Methods, "countTokens")
}

// discover returns the chain that a models list amounts to: the text models sorted as pro, flash, flash-lite, then the
// previews in the same order, newest version first within a family, at most [scheduler.MaxModels]. From a list of just
// the built-in models it makes the built-in chain.
//
// Of every version and family it takes one name: the stable one, else the highest numbered, else the undated preview,
// else the latest dated one. The others are earlier states of the same model, or other names of it, and two names that
// draw on one quota would be counted as two. For the same reason no "-latest" alias is taken. So a built-in preview
// gives way once its stable model is listed; the other built-in models stay, and what is newer stands before them.
//
// It returns nil if the list names no text model.
func discover(models []upstream.Model) []string {
	type kind struct {
		version string
		family  scheduler.Family
	}
	best := map[kind]release{}
	for _, m := range models {
		r, ok := parseRelease(m.Name)
		if !ok || !usable(m) {
			continue
		}
		k := kind{fmt.Sprint(r.version), r.family}
		if known, ok := best[k]; !ok || r.supersedes(known) {
			best[k] = r
		}
	}
	list := make([]release, 0, len(best))
	for _, r := range best {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b release) int {
		return cmp.Or(
			cmp.Compare(previews(a), previews(b)),
			cmp.Compare(place(a.family), place(b.family)),
			slices.Compare(b.version, a.version),
		)
	})
	var chain []string
	for _, r := range list[:min(len(list), scheduler.MaxModels)] {
		chain = append(chain, r.name)
	}
	return chain
}

func previews(r release) int {
	if r.preview {
		return 1
	}
	return 0
}

// place is the order in which the chain prefers the families.
func place(f scheduler.Family) int {
	return slices.Index([]scheduler.Family{scheduler.Pro, scheduler.Flash, scheduler.FlashLite}, f)
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
