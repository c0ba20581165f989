package policy

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/upstream"
)

// maxSessions bounds the models for sessions.
const maxSessions = 8

// otherSessions are words by which a model for sessions is called that does one thing only, or is an experiment (captured
// of the lists of 2025 and 2026: gemini-3.5-live-translate-preview, gemini-3.5-transcribe-live,
// gemini-robotics-er-2-streaming-preview).
var otherSessions = regexp.MustCompile(`(?i)translat|transcri|robot|computer.use|agent|music|lyria|custom|experiment|\bexp\b|tuning|deprecated`)

// sessionVersion is the version in the name of a model, and sessionDate what sets a release of it apart.
var (
	sessionVersion = regexp.MustCompile(`-([0-9]{1,2}(?:\.[0-9]{1,3}){0,2})(?:-|$)`)
	sessionDate    = regexp.MustCompile(`-([0-9]{2})-([0-9]{2}|20[0-9]{2})$|-([0-9]{3})$`)
)

// sessionsOf returns the listed models that "auto" stands for in a session of the Live API: those of which the list says
// that they have sessions, for conversation, the newest version first, of each version one. That is its stable name, else
// the "-latest" alias, which follows the releases, else the undated preview, else the latest dated release. Who is about
// to be shut down is left out, unless all are.
func sessionsOf(models []upstream.Model, retiring map[string]time.Time, now time.Time) []string {
	type session struct {
		name    string
		version []int
		rank    int // the lowest is taken
	}
	var all, leaving []*session
	for _, m := range models {
		found := sessionVersion.FindStringSubmatch(m.Name)
		if found == nil || len(m.Name) > maxName || !slices.Contains(m.Methods, "bidiGenerateContent") || otherSessions.MatchString(m.Name) || otherSessions.MatchString(m.DisplayName) {
			continue
		}
		s := &session{m.Name, versionOf(found[1]), 0}
		date := sessionDate.FindStringSubmatch(m.Name)
		switch {
		case date != nil:
			s.rank = undated - digits(cmp.Or(date[3], "0"))
			if len(date[2]) == 4 {
				s.rank -= digits(date[2])*100 + digits(date[1])
			}
		case strings.Contains(m.Name, "preview"):
			s.rank = 2
		case strings.HasSuffix(m.Name, "-latest"):
			s.rank = 1
		}
		if leaves(m.Retires, now) || leaves(retiring[m.Name], now) {
			leaving = append(leaving, s)
		} else {
			all = append(all, s)
		}
	}
	if all == nil {
		all = leaving
	}
	slices.SortFunc(all, func(a, b *session) int {
		return cmp.Or(slices.Compare(b.version, a.version), cmp.Compare(a.rank, b.rank), cmp.Compare(a.name, b.name))
	})
	all = slices.CompactFunc(all, func(a, b *session) bool { return slices.Equal(a.version, b.version) })
	var names []string
	for _, s := range all[:min(len(all), maxSessions)] {
		names = append(names, s.name)
	}
	return names
}
