package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/scheduler"
)

// An account notes who waits and what is reserved, so that it can be said where the tokens of a window went. As a slog.Handler it
// reads what is reserved from the log, which says it of each request that is sent.
type account struct {
	mu    sync.Mutex
	first map[string]time.Time // when each request came first
	sent  map[string][]int64   // what was reserved for those that were sent, by organisation
}

var _ slog.Handler = (*account)(nil)

func newAccount() *account {
	return &account{first: make(map[string]time.Time), sent: make(map[string][]int64)}
}

func (a *account) Enabled(context.Context, slog.Level) bool { return true }
func (a *account) WithAttrs([]slog.Attr) slog.Handler       { return a }
func (a *account) WithGroup(string) slog.Handler            { return a }

func (a *account) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "selected" {
		return nil
	}
	var project string
	var tokens int64
	r.Attrs(func(x slog.Attr) bool {
		switch x.Key {
		case "project":
			project = x.Value.String()
		case "tokens":
			tokens = x.Value.Int64()
		}
		return true
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent[project] = append(a.sent[project], tokens)
	return nil
}

// comes notes that a request came.
func (a *account) comes(body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if which := whichOf(body); a.first[which].IsZero() {
		a.first[which] = time.Now()
	}
}

// whichOf returns the client and the number of a request, with which its text begins.
func whichOf(body string) string {
	_, text, _ := strings.Cut(body, `"content":"`)
	which, _, _ := strings.Cut(text, " ")
	return which
}

// A fate is what becomes of a part of a window.
type fate int

const (
	isUsed    fate = iota // by what arrived within the last minute
	isUnput               // reserved for an answer that isn't there yet, and not put out then
	isOver                // by what arrived before that, for as long as it may have arrived later than it was sent
	tooLittle             // free, and less than any that waits would have reserved
	notThere              // free, and enough for one that waits, which was told a later time, or for whom another's slot leaves none
	nobody                // free, and nobody waits
	beyond                // what was put out beyond what there was, negative
	fates                 // how many there are
)

// A change is so much more, or less, of a fate of an organisation's tokens, or a request that begins to wait, or ceases.
type change struct {
	at    time.Duration
	of    int
	fate  fate
	by    int64
	waits int64 // what is going to be reserved for the one that begins; negative: it ceases
}

// changes returns all that there were.
func (a *account) changes(f *foreign) (all []change) {
	log := f.log()
	slices.SortStableFunc(log, func(x, y openaisim.Request) int { return x.At.Compare(y.At) })
	for i := range f.organisations {
		reserved := a.sent[org(i)]
		for _, x := range log {
			if x.Project != org(i) {
				continue
			}
			if !assert.NotEmpty(f.t, reserved, "what was sent is missing in the log") {
				return nil
			}
			used := x.Input + x.Output
			if x.Status != http.StatusOK {
				used = 0
			}
			came, unput := x.At.Sub(f.begin), reserved[0]-used
			reserved = reserved[1:]
			over := came + f.bound.Per
			all = append(all,
				change{at: came, of: i, fate: isUsed, by: used}, change{at: over, of: i, fate: isUsed, by: -used},
				change{at: came, of: i, fate: isUnput, by: unput}, change{at: came + f.latency, of: i, fate: isUnput, by: -unput},
				change{at: over, of: i, fate: isOver, by: used}, change{at: over + scheduler.DefaultSkew, of: i, fate: isOver, by: -used})
			if first := a.first[whichOf(string(x.Body))].Sub(f.begin); first < came {
				all = append(all, change{at: first, waits: used + unput}, change{at: came, waits: -used - unput})
			}
		}
		assert.Empty(f.t, reserved)
	}
	slices.SortStableFunc(all, func(x, y change) int { return int(x.at - y.at) })
	return all
}

// fates returns what became of all organisations' windows until an instant, in percent.
func (a *account) fates(f *foreign, until time.Duration) (parts [fates]float64) {
	held, waiting, last := make([][fates]int64, f.organisations), []int64(nil), time.Duration(0)
	for _, x := range append(a.changes(f), change{at: until}) {
		for i := range held {
			lasts, free, is := float64(min(x.at, until)-last), f.bound.Amount, notThere
			for j := range tooLittle {
				parts[j] += float64(held[i][j]) * lasts
				free -= held[i][j]
			}
			switch {
			case free < 0:
				is = beyond
			case len(waiting) == 0:
				is = nobody
			case free < waiting[0]:
				is = tooLittle
			}
			parts[is] += float64(free) * lasts
		}
		if last = x.at; last >= until {
			break
		}
		at, _ := slices.BinarySearch(waiting, max(x.waits, -x.waits))
		switch {
		case x.waits > 0:
			waiting = slices.Insert(waiting, at, x.waits)
		case x.waits < 0:
			waiting = slices.Delete(waiting, at, at+1)
		}
		held[x.of][x.fate] += x.by
	}
	for i := range parts {
		parts[i] *= 100 / (float64(f.bound.Amount) * float64(until) * float64(f.organisations))
	}
	return parts
}

// say returns that in words.
func (a *account) say(f *foreign, until time.Duration) string {
	var all []string
	parts := a.fates(f, until)
	for i, what := range [fates]string{"used", "reserved for answers and not put out", "counted for longer than a minute", "free, too little for any that waits",
		"free for one that waits and isn't there", "free while nobody waits", "put out beyond what there is"} {
		all = append(all, fmt.Sprintf("%s %.1f%%", what, parts[i]))
	}
	return strings.Join(all, ", ")
}
