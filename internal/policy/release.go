package policy

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// textName is how Google names a text model: brand, version, kind, and what sets a release apart. It says what
// belongs into a chain, not what doesn't: speech, images, live conversation, robotics and whatever comes next share the
// prefix and the methods of text models, and differ only in a further word. So do experiments ("-exp") and variants for
// one purpose ("-customtools"), and none of them is to be chosen by itself.
var textName = regexp.MustCompile(
	`^([a-z]{3,16})-([0-9]{1,3}(?:\.[0-9]{1,3}){0,2})-([a-z]{2,16}(?:-lite)?)(?:-([0-9]{3})|(-preview)(?:-([0-9]{2})-([0-9]{2}|20[0-9]{2}))?)?$`)

// openName is how the open models are named that take turns of a conversation: version, sizes, and that they follow
// instructions.
var openName = regexp.MustCompile(`^gemma-([0-9]{1,2}(?:\.[0-9]{1,2})?)n?(?:-e?([0-9]{1,4})b)(?:-a[0-9]{1,4}b)?-it$`)

// otherThings are words by which a model that isn't for text alone is called or described (captured of the lists of
// 2025 and 2026). A model of a kind that is new mustn't have any of them.
var otherThings = regexp.MustCompile(`(?i)image|banana|imagen|veo|video|tts|speech|audio|voice|music|lyria|live\b|omni|robot|` +
	`embed|computer.use|research|agent|translat|custom|experiment|\bexp\b|tuning|latest|deprecated`)

// release is a text model's name, taken apart, and what the list says of it.
type release struct {
	name    string
	version []int
	kind    string // of one version: "pro", "flash-lite" or what comes next; for open models the size
	family  scheduler.Family
	preview bool
	// rank orders the releases of one version and kind: the undated preview or stable name is above all dates and
	// numbers, which count upwards.
	rank int
	size int // of an open model, in billions

	short, thoughtless bool // it takes less than others do, or doesn't think
}

// undated is the rank of a name without number or date, above every other.
const undated = 1 << 30

// parseRelease takes the name of a listed model apart, or returns nil for what is no text model.
func parseRelease(m upstream.Model) *release {
	r := &release{name: m.Name, family: scheduler.FamilyOf(m.Name), rank: undated, thoughtless: !m.Thinking}
	r.short = m.InputTokenLimit > 0 && m.InputTokenLimit < longInput
	if open := openName.FindStringSubmatch(m.Name); open != nil {
		r.size, r.kind, r.short = digits(open[2]), m.Name, r.short || m.InputTokenLimit == 0
		r.version = versionOf(open[1])
		return r
	}
	found := textName.FindStringSubmatch(m.Name)
	if found == nil {
		return nil
	}
	if r.kind = found[3]; !(found[1] == "gemini" && slices.Contains([]string{"pro", "flash", "flash-lite"}, r.kind) || provenText(m, found[1])) {
		return nil
	}
	if found[1] != "gemini" {
		r.kind = found[1] + "-" + r.kind
	}
	r.preview, r.version = found[5] != "", versionOf(found[2])
	switch number, month, rest := found[4], found[6], found[7]; {
	case number != "":
		r.rank = digits(number)
	case len(rest) == 4: // preview-09-2025: month and year
		r.rank = digits(rest)*10_000 + digits(month)*100
	case rest != "": // preview-05-20: month and day, as Google dated them until the middle of 2025
		r.rank = digits(month)*100 + digits(rest)
	}
	return r
}

// provenText reports whether what the list says of a model of a new kind shows that it is for text: its contents can be
// cached, which holds for every text model of Google's and for none that makes images, speech or music (captured), and
// nothing that it is called names another purpose. One of a new brand thinks, besides.
func provenText(m upstream.Model, brand string) bool {
	return slices.Contains(m.Methods, "createCachedContent") && (brand == "gemini" || m.Thinking) &&
		!otherThings.MatchString(m.Name) && !otherThings.MatchString(m.DisplayName) && !otherThings.MatchString(m.Description)
}

// longInput is the least input, in tokens, that a model of the first rank takes: what all of Gemini's have had since 2.0.
const longInput = 1_000_000

// versionOf reads a version. 3.0 is 3.
func versionOf(text string) (version []int) {
	for number := range strings.SplitSeq(text, ".") {
		version = append(version, digits(number))
	}
	for len(version) > 1 && version[len(version)-1] == 0 {
		version = version[:len(version)-1]
	}
	return version
}

// digits reads a number of at most four digits.
func digits(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// supersedes reports whether of two releases of the same version and family a is to be used.
func (a *release) supersedes(b *release) bool {
	if a.preview != b.preview {
		return b.preview
	}
	if a.rank != b.rank {
		return a.rank > b.rank
	}
	return a.name < b.name // "gemini-3-pro" and "gemini-3.0-pro": either, but always the same
}
