package pagetest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

var teams = []string{"team-atlas", "team-borealis", "team-cirrus", "team-delta", "research", "staging", "subtitles", "tenant-kappa"}

// scenarios are the pools that the page has to be readable with.
var scenarios = map[string]scenario{
	"pool":    {pool: ordinary},
	"refused": {pool: refused},
	"single": {pool: func(now time.Time) *pool {
		p := newPool(now, "my-project")
		p.more["callers"] = []object{{"caller": "", "requests_today": 3, "tokens_today": 1_234}}
		return p
	}},
	"fifty":    {pool: func(now time.Time) *pool { return newPool(now, tenants(50)...) }},
	"hundreds": {pool: hundreds(120)},
	"thousand": {pool: hundreds(1000)},
	"simulated": {pool: func(now time.Time) *pool {
		p := newPool(now, teams[:3]...)
		p.more["simulated"], p.more["store_kind"] = true, "memory"
		return p
	}},
	"long": {pool: func(now time.Time) *pool {
		p := newPool(now, "a-project-with-a-name-that-is-longer-than-anybody-would-like-"+strings.Repeat("x", 60), "näme with späces & <b>markup</b>")
		p.more["events"] = []object{p.event(time.Minute, strings.Repeat("root", 20), "<img src=x onerror=alert(1)> "+strings.Repeat("long", 60))}
		p.more["callers"] = []object{{"caller": strings.Repeat("caller", 20), "requests_today": 1_234_567, "tokens_today": 9_876_543_210}}
		p.key(1, "invalid", strings.Repeat("REASON_", 20))
		return p
	}},
	"exhausted": {pool: func(now time.Time) *pool {
		p := newPool(now, teams...)
		for i := range teams {
			p.key(i, "exhausted", "")
			p.keys[i]["until"] = instant(p.midnight())
			for rank := range chain {
				p.spend(i, rank)
			}
		}
		return p
	}},
	"invalid": {pool: func(now time.Time) *pool {
		p := newPool(now, teams[:3]...)
		for i, reason := range []string{"API_KEY_INVALID", "leaked", "CONSUMER_SUSPENDED"} {
			p.key(i, "invalid", reason)
		}
		return p
	}},
	"idle": {pool: func(now time.Time) *pool {
		p := newPool(now, teams[:2]...)
		for rank := 1; rank < len(chain); rank++ {
			m := p.model(0, rank)
			m["sent"], m["rpm"], m["tpm"], m["rpd"] = []object{}, limit(5, 0), limit(250_000, 0), limit(100, 0)
		}
		return p
	}},
	"fresh":     {pool: fresh},
	"providers": {pool: several},
	"caller": {pool: func(now time.Time) *pool {
		p := ordinary(now)
		p.more["callers"], p.more["events"] = nil, nil
		return p
	}},
	"unreachable": {error: http.StatusServiceUnavailable},
	"locked":      {error: http.StatusUnauthorized},
}

func tenants(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("tenant-%02d", i+1)
	}
	return names
}

// hundreds is a pool of many projects, of which some are in trouble, and of which none lists
// what is idle.
func hundreds(n int) func(now time.Time) *pool {
	return func(now time.Time) *pool {
		p := newPool(now, tenants(n)...)
		p.key(n/2, "invalid", "API_KEY_INVALID")
		p.key(n-1, "disabled", "")
		idle := object{}
		for rank, model := range chain {
			l := limitsOf[rank]
			idle[model] = object{
				"model": model, "tokens_today": 0, "bookings": 0, "rpm": limit(l[0], 0), "tpm": limit(l[1], 0), "rpd": limit(l[2], 0), "next_free": p.free(0),
			}
		}
		p.more["idle"] = idle
		for i := range n {
			if i%3 == 0 {
				p.projects[i]["models"] = p.projects[i]["models"].([]object)[:1]
			}
		}
		return p
	}
}

// ordinary is a pool with something of everything.
func ordinary(now time.Time) *pool {
	p := newPool(now, teams...)
	p.key(2, "invalid", "API_KEY_INVALID")
	p.key(4, "disabled", "")
	p.key(5, "exhausted", "")
	p.keys[5]["until"] = instant(p.midnight())
	p.keys = append(p.keys, object{
		"key_index": 9, "status": "healthy", "fingerprint": "0badcafe", "project": teams[0], "models": object{}, "last_used_at": 0.0,
	})
	p.spend(1, 0)
	for rank := range chain {
		p.spend(5, rank)
	}
	p.book(0, 0, 22*time.Second, 60_000, 90_000, 40_000)
	p.book(3, 0, 41*time.Second, 450_000)
	p.block(6, 1, "upstream_minute", now.Add(37*time.Second))
	m := p.model(6, 1)
	m["tpm"] = object{"limit": 125_000, "used": 0, "left": 125_000, "source": "learned", "since": instant(now.Add(-3 * time.Hour))}
	p.model(7, 0)["probing"] = true
	for i := range teams {
		p.model(i, 2)["rpm"].(object)["source"] = "operator"
		p.model(i, 1)["rpd"].(object)["source"] = "reported"
		p.model(i, 1)["rpd"].(object)["since"] = instant(now.Add(-time.Duration(50+i) * time.Hour))
	}
	p.projects[3]["promise_moved"] = 2
	return p
}

// several is a pool of several providers, whose keys come mixed.
func several(now time.Time) *pool {
	p := newPool(now, "team-atlas", "org-a", "team-borealis", "org-c", "org-b", "org-d")
	for i, provider := range map[int]string{1: "openai", 3: "anthropic", 4: "openai", 5: "groq"} {
		p.keys[i]["provider"], p.projects[i]["provider"] = provider, provider
		model := p.model(i, 1)
		model["model"] = provider + "/some-model"
		p.projects[i]["models"] = []object{model}
	}
	p.key(1, "invalid", "invalid_api_key")
	p.block(3, 0, "upstream_minute", now.Add(48*time.Second))
	p.more["errors"] = object{"minute": 3}
	p.projects[0]["features"] = []object{
		feature("grounding with gemini-2.5-flash", none, none, limit(500, 12)),
		feature("image output", none, none, none), // which has no limit
	}
	p.projects[0]["features"].([]object)[1]["block"] = object{"until": instant(now.Add(10 * time.Minute)), "cause": "upstream_bare"}
	p.projects[3]["features"] = []object{feature("output tokens of anthropic/some-model", none, limit(8_000, 6_400), none)}
	p.projects[5]["features"] = []object{
		feature("groq/some-model in 24h", limit(14_400, 14_400), limit(500_000, 123_456), none),
		feature("groq/some-model in 1h", none, none, none),
	}
	return p
}

// none is a limit that there isn't.
var none = object{"limit": -1, "used": 3, "left": -1, "source": "default"}

// feature is a calendar beside those of the models.
func feature(name string, requests, tokens, day object) object {
	return object{"model": name, "rpm": requests, "tpm": tokens, "rpd": day, "tokens_today": 0, "bookings": 0, "next_free": object{}}
}

// refused is a pool that Gemini refuses for every reason there is.
func refused(now time.Time) *pool {
	p := newPool(now, teams[:5]...)
	p.block(0, 0, "upstream_minute", now.Add(48*time.Second))
	p.block(1, 0, "upstream_day", p.midnight())
	p.block(2, 0, "upstream_bare", now.Add(4*time.Second))
	p.block(3, 0, "unavailable", now.Add(23*time.Hour))
	p.model(4, 0)["next_free"] = object{"1000": nil, "10000": nil, "100000": nil, "1000000": nil}
	p.model(4, 1)["rpm"] = object{"limit": -1, "used": 12, "left": -1, "source": "operator"}
	p.model(4, 1)["rpd"] = object{"limit": -1, "used": 4_321, "left": -1, "source": "operator"}
	p.more["errors"] = object{"minute": 31, "day": 4, "bare_429": 12, "server": 2, "something_new": 1}
	p.more["reported_policy"] = object{"at": instant(now.Add(-time.Hour)), "error": "the answer is no JSON"}
	p.more["operations"] = object{"reads": 61_000, "writes": 19_900, "free_reads": 50_000, "free_writes": 20_000}
	return p
}

// fresh is a pool that nobody has asked for anything yet.
func fresh(now time.Time) *pool {
	p := newPool(now, teams[:2]...)
	for i := range p.projects {
		p.projects[i]["models"] = []object{}
		p.keys[i]["status"], p.keys[i]["last_used_at"] = "unknown", 0.0
		delete(p.keys[i], "checked_at")
	}
	for _, name := range []string{"history", "events", "callers"} {
		p.more[name] = []object{}
	}
	p.more["errors"] = object{}
	p.more["operations"] = object{"reads": 4, "writes": 0, "free_reads": 50_000, "free_writes": 20_000}
	p.more["validation"], p.more["reported_policy"] = nil, nil
	return p
}
