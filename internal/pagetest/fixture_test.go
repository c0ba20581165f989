package pagetest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/page"
)

type object = map[string]any

// window is how long a request counts: a minute and the allowance for the way.
const window = 60*time.Second + 500*time.Millisecond

var chain = []string{"gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite"}

// limitsOf are the built-in ones, by model of the chain.
var limitsOf = [][3]int64{{5, 250_000, 100}, {10, 250_000, 250}, {15, 250_000, 1000}}

// A pool is one that is made up. Its figures differ from project to project, and
// are the same in every run but for the time.
type pool struct {
	now      time.Time
	names    []string // of the projects, one key each
	keys     []object
	projects []object
	more     object // what replaces or joins the rest
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// number is below n, and as if random.
func number(n int64, of ...any) int64 {
	h := fnv.New32a()
	fmt.Fprintln(h, of...)
	return int64(h.Sum32()>>4) % n
}

func newPool(now time.Time, names ...string) *pool {
	p := &pool{now: now, names: names, more: object{}}
	for i, name := range names {
		p.keys = append(p.keys, object{
			"key_index": i + 1, "status": "healthy", "fingerprint": fmt.Sprintf("%08x", number(1<<28, name)),
			"project": name, "models": object{}, "last_used_at": float64(now.Unix() - number(90, name)),
			"checked_at": instant(now.Add(-3 * time.Hour)),
		})
		var models []object
		for rank := range chain {
			models = append(models, p.calendar(name, rank))
		}
		p.projects = append(p.projects, object{"project": name, "promise_moved": 0, "models": models})
	}
	return p
}

// calendar is that of one project and model, with some of its minute taken.
func (p *pool) calendar(project string, rank int) object {
	limits := limitsOf[rank]
	sent := []object{}
	var requests, tokens int64
	for i := range number(limits[0]+1, project, rank) {
		start := p.now.Add(-time.Duration(number(110, project, rank, i)) * time.Second)
		size := limits[1] / limits[0] / 4 * (1 + number(3, project, rank, i, "size"))
		sent = append(sent, interval(start, window, size))
		if p.now.Sub(start) < window {
			requests++
			tokens += size
		}
	}
	used := number(limits[2], project, rank, "day")
	return object{
		"model": chain[rank], "tokens_today": used * 21_345, "bookings": 0, "booked": []object{}, "sent": sent,
		"rpm": limit(limits[0], requests), "tpm": limit(limits[1], tokens), "rpd": limit(limits[2], used),
		"next_free": p.free(0),
	}
}

func interval(start time.Time, long time.Duration, tokens int64) object {
	return object{"start": instant(start), "end": instant(start.Add(long)), "tokens": tokens, "requests": 1}
}

func limit(most, used int64) object {
	return object{"limit": most, "used": used, "left": max(0, most-used), "source": "default"}
}

// free has small requests go after a wait and larger ones later.
func (p *pool) free(wait time.Duration) object {
	out := object{}
	for i, tokens := range []string{"1000", "10000", "100000", "1000000"} {
		out[tokens] = instant(p.now.Add(wait + time.Duration(max(0, i-1))*23*time.Second))
	}
	return out
}

func (p *pool) model(project, rank int) object {
	return p.projects[project]["models"].([]object)[rank]
}

// key changes a key of a pool.
func (p *pool) key(i int, status, reason string) {
	p.keys[i]["status"] = status
	p.keys[i]["reason"] = reason
}

// book puts bookings into a calendar that is full until then.
func (p *pool) book(project, rank int, first time.Duration, tokens ...int64) {
	m := p.model(project, rank)
	booked := []object{}
	for _, n := range tokens {
		long := window
		if most := limitsOf[rank][1]; n > most {
			long = time.Duration(float64(window) * float64(n) / float64(most))
		}
		booked = append(booked, interval(p.now.Add(first), long, n))
		first += 9 * time.Second
	}
	m["booked"], m["bookings"], m["next_free"] = booked, len(booked), p.free(first)
}

func (p *pool) block(project, rank int, cause string, until time.Time) {
	m := p.model(project, rank)
	m["block"] = object{"until": instant(until), "cause": cause}
	m["next_free"] = p.free(until.Sub(p.now))
}

// spend has a calendar's day spent.
func (p *pool) spend(project, rank int) {
	m := p.model(project, rank)
	m["rpd"] = limit(limitsOf[rank][2], limitsOf[rank][2])
	m["next_free"] = p.free(p.midnight().Sub(p.now))
}

func (p *pool) midnight() time.Time {
	return p.now.Add(5*time.Hour + 12*time.Minute).Truncate(time.Minute)
}

// history has every project busy on weekdays.
func (p *pool) history(projects int) []object {
	out := []object{}
	today := p.now.Add(-8 * time.Hour)
	for ago := 30; ago > 0; ago-- {
		date := today.AddDate(0, 0, -ago)
		for _, name := range p.names[:min(projects, len(p.names))] {
			for rank, model := range chain {
				requests := number(limitsOf[rank][2], name, rank, ago)
				if date.Weekday()%6 == 0 {
					requests /= 8
				}
				out = append(out, object{
					"day": date.Format(time.DateOnly), "project": name, "model": model, "requests": requests, "tokens": requests * 19_000,
				})
			}
		}
	}
	return out
}

func (p *pool) event(ago time.Duration, who, what string) object {
	return object{"at": instant(p.now.Add(-ago)), "who": who, "what": what}
}

// status is the answer of GET /status.
func (p *pool) status() object {
	out := object{
		"keys": p.keys, "mode": "both", "mode_source": "configured", "prefer": "any", "prefer_source": "configured", "policy": object{}, "model_chain": chain, "chain_source": "default",
		"projects": p.projects,
		"callers":  []object{{"caller": "alice", "requests_today": 412, "tokens_today": 8_765_432}, {"caller": "subtitles", "requests_today": 96, "tokens_today": 3_210_000}},
		"errors":   object{"server": 2, "minute": 1},
		"store":    object{"reads": 812, "writes": 640, "conflicts": 3, "recovered": 0, "control": 40},
		"operations": object{
			"reads": 4_210, "writes": 1_733, "free_reads": 50_000, "free_writes": 20_000,
		},
		"validation":      object{"at": instant(p.now.Add(-3 * time.Hour))},
		"reported_policy": object{"at": instant(p.now.Add(-50 * time.Hour))},
		"history":         p.history(8),
		"events": []object{
			p.event(4*time.Minute, "root", "mode both"), p.event(5*time.Hour, "root", "key 3 disabled"),
			p.event(29*time.Hour, "validation", "key 5 invalid: API_KEY_INVALID"),
		},
		"now": instant(p.now), "resets_at": instant(p.midnight()),
	}
	for name, value := range p.more {
		if value == nil {
			delete(out, name)
			continue
		}
		out[name] = value
	}
	return out
}

// A scenario is a pool to look at, or an error in place of one.
type scenario struct {
	pool  func(now time.Time) *pool
	error int // the HTTP status of GET /status, if not 200
}

// ServeHTTP serves the page, its scenario, and refuses every control.
func (s scenario) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/":
		page.Handler().ServeHTTP(w, r)
	case r.URL.Path == "/status" && s.error == 0:
		answer(w, http.StatusOK, s.pool(time.Now()).status())
	case r.URL.Path == "/status":
		answer(w, s.error, refusal(s.error))
	case r.URL.Path == "/usage" && s.error == 0:
		answer(w, http.StatusOK, s.pool(time.Now()).usage(strings.Split(r.URL.Query().Get("by"), ",")))
	case r.URL.Path == "/plan":
		answer(w, http.StatusOK, s.pool(time.Now()).plan())
	default:
		answer(w, http.StatusForbidden, refusal(http.StatusForbidden))
	}
}

func refusal(code int) object {
	status := strings.ToUpper(strings.ReplaceAll(http.StatusText(code), " ", "_"))
	return object{"error": object{"code": code, "message": "A made-up refusal.", "status": status}}
}

// usage is the answer of GET /usage.
func (p *pool) usage(by []string) object {
	rows := []object{}
	for rank, model := range chain {
		row := object{"model": model, "caller": "subtitles", "project": p.names[0], "day": p.now.Format(time.DateOnly)}
		n := 1 + number(900, p.names[0], rank, "usage")
		figures := object{
			"requests": n, "refused": n / 7, "failed": n % 5, "input_tokens": n * 4_321, "output_tokens": n * 987, "thought_tokens": n * 654,
			"cached_tokens": n * 1_000, "tool_tokens": int64(0), "dollars": float64(n) / 97, "wait_p95": 12.3, "answer_p50": 2.1, "answer_p95": 8.4,
			"causes": object{"rpm": n / 9, "own_tpm": n/7 - n/9},
		}
		maps.Copy(row, figures)
		rows = append(rows, row)
	}
	total := object{"unpriced": 3, "wait_p95": 12.3, "answer_p50": 2.1, "answer_p95": 8.4}
	for _, sum := range []string{"requests", "refused", "failed", "input_tokens", "output_tokens", "thought_tokens", "cached_tokens", "tool_tokens"} {
		var n int64
		for _, row := range rows {
			n += row[sum].(int64)
		}
		total[sum] = n
	}
	total["dollars"] = float64(total["requests"].(int64)) / 97
	return object{"window": "24h", "from": instant(p.now.Add(-24 * time.Hour)), "to": instant(p.now), "by": by, "rows": rows, "total": total}
}

// plan is the answer of POST /plan, of 450,000 tokens.
func (p *pool) plan() object {
	candidates := []object{}
	for i, name := range p.names {
		for rank, model := range chain {
			wait := time.Duration(18+number(200, name, rank)) * time.Second
			c := object{"project": name, "model": model, "start": instant(p.now.Add(wait)), "wait_ms": wait.Milliseconds(), "cause": "tpm"}
			if i == 2 {
				c["start"], c["wait_ms"], c["cause"] = nil, 0, "no_usable_key"
			}
			candidates = append(candidates, c)
		}
	}
	return object{"tokens": 450_000, "counted": false, "now": instant(p.now), "best": candidates[0], "candidates": candidates}
}

func answer(w http.ResponseWriter, code int, body object) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}
