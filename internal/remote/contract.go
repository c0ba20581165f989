package remote

import (
	"encoding/json"
	"slices"
	"time"
)

// Unlimited is a limit that isn't there, and what is left of it.
const Unlimited = -1

// States of a key.
const (
	Healthy   = "healthy"
	Exhausted = "exhausted" // every model's day is spent
	Invalid   = "invalid"   // Gemini refuses it
	Disabled  = "disabled"  // by an administrator
)

// Sources of a limit that say more than that it is configured.
const (
	SourceDefault = "default"
	SourceLearned = "learned" // from a 429 of Gemini
)

// A Status is the answer of GET /status.
type Status struct {
	Keys       []Key  `json:"keys"`
	Mode       string `json:"mode"`
	ModeSource string `json:"mode_source"`
	// Prefer is free, paid or any; empty: of a build that couldn't have it set.
	Prefer       string    `json:"prefer"`
	PreferSource string    `json:"prefer_source"`
	ModelChain   []string  `json:"model_chain"`
	ChainSource  string    `json:"chain_source"`
	Projects     []Project `json:"projects"`
	// Idle is how a model of the chain stands on a project that doesn't list it.
	Idle map[string]Model `json:"idle"`
	// Callers, Troubles and Events are shown to administrators only.
	Callers    []Caller         `json:"callers"`
	Troubles   []Trouble        `json:"troubles"` // newest first
	Errors     map[string]int64 `json:"errors"`   // upstream errors today, by class
	Store      Store            `json:"store"`
	Operations *Operations      `json:"operations"`
	Validation *Checked         `json:"validation"`      // nil: never
	Reported   *Checked         `json:"reported_policy"` // nil: never asked
	History    []Day            `json:"history"`
	Events     []Event          `json:"events"` // newest first
	Shadow     *Shadow          `json:"shadow"` // nil: it does what it decides
	Simulated  bool             `json:"simulated"`
	Now        time.Time        `json:"now"`
	ResetsAt   time.Time        `json:"resets_at"` // the next Pacific midnight
}

// listIdle has every project list the models of the chain that it left out, in their order.
func (s *Status) listIdle() {
	if len(s.Idle) == 0 {
		return
	}
	for i := range s.Projects {
		p := &s.Projects[i]
		if p.Provider != "" {
			continue // the chain is Gemini's
		}
		var all []Model
		for _, name := range s.ModelChain {
			at := slices.IndexFunc(p.Models, func(m Model) bool { return m.Model == name })
			if at >= 0 {
				all = append(all, p.Models[at])
			} else if idle, ok := s.Idle[name]; ok {
				all = append(all, idle)
			}
		}
		for _, m := range p.Models {
			if !slices.Contains(s.ModelChain, m.Model) {
				all = append(all, m)
			}
		}
		p.Models = all
	}
}

// A Key is one API key, without its value.
type Key struct {
	Index       int       `json:"key_index"`
	Provider    string    `json:"provider"` // empty: Gemini
	Status      string    `json:"status"`
	Reason      string    `json:"reason"`
	Until       time.Time `json:"until"` // zero unless exhausted
	Fingerprint string    `json:"fingerprint"`
	Project     string    `json:"project"`
	LastUsedAt  float64   `json:"last_used_at"` // Unix seconds, 0: never
	CheckedAt   time.Time `json:"checked_at"`   // zero: never
}

// A Project is the quota of one project: of Google Cloud, or an organisation of another provider.
type Project struct {
	Project  string  `json:"project"`
	Provider string  `json:"provider"`      // empty: Gemini
	Moved    int64   `json:"promise_moved"` // bookings that had to be put off
	Models   []Model `json:"models"`
	// Features are what has limits beside a model's minute: its output, other windows, and what Gemini has apart.
	Features []Model `json:"features"`
}

// A Model is the quota of one model on one project.
type Model struct {
	Model    string `json:"model"`
	RPM      Limit  `json:"rpm"`
	TPM      Limit  `json:"tpm"`
	RPD      Limit  `json:"rpd"`
	Bookings int    `json:"bookings"`
	Block    *Block `json:"block"`
	Probing  bool   `json:"probing"` // whether a learned limit still holds
	// NextFree is when a request of so many tokens could start. Nil: never.
	NextFree map[string]*time.Time `json:"next_free"`
}

// A Limit is one of RPM, TPM and RPD.
type Limit struct {
	Limit  int64     `json:"limit"`
	Used   int64     `json:"used"`
	Left   int64     `json:"left"`
	Source string    `json:"source"`
	Since  time.Time `json:"since"` // zero for what doesn't age
}

// A Block keeps a model of a project out of use.
type Block struct {
	Until time.Time `json:"until"`
	Cause string    `json:"cause"`
}

// A Caller is what one caller has sent today.
type Caller struct {
	Caller   string `json:"caller"`
	Requests int64  `json:"requests_today"`
	Tokens   int64  `json:"tokens_today"`
	// Quotas and Budgets are its own limits, if it has some.
	Quotas  []Quota  `json:"quotas"`
	Budgets []Budget `json:"budgets"`
}

// A Quota is how one limit of a caller's own stands.
type Quota struct {
	Quota string `json:"quota"` // rpm, tpm or rpd
	Limit int64  `json:"limit"`
	Left  int64  `json:"left"`
}

// A Trouble is a request that was told to wait, or failed.
type Trouble struct {
	At     time.Time `json:"at"`
	ID     string    `json:"id"` // of the request, as in its answer and the log
	Route  string    `json:"route"`
	Caller string    `json:"caller"`
	Model  string    `json:"model"`
	Cause  string    `json:"cause"`
	Wait   float64   `json:"wait"` // seconds that it was told; 0: it failed
}

// Store counts what the answering instance has done since it started.
type Store struct {
	Reads     int64 `json:"reads"`
	Writes    int64 `json:"writes"`
	Conflicts int64 `json:"conflicts"`
}

// Operations counts what all instances have done with Firestore today, beside the free day.
type Operations struct {
	Reads      int64 `json:"reads"`
	Writes     int64 `json:"writes"`
	FreeReads  int64 `json:"free_reads"`
	FreeWrites int64 `json:"free_writes"`
}

// Checked is when something was last asked of Gemini.
type Checked struct {
	At    time.Time `json:"at"`
	Error string    `json:"error"` // empty: it went well
}

// A Shadow is what the answering instance would have done since it started, where it only watches.
type Shadow struct {
	Since    time.Time `json:"since"`
	Requests int64     `json:"requests"`
	Waits    int64     `json:"waits"`
	Refused  int64     `json:"refused"`
}

// A Day is what one model of one project has served on a finished Pacific day.
type Day struct {
	Day      string `json:"day"`
	Project  string `json:"project"`
	Model    string `json:"model"`
	Requests int64  `json:"requests"`
	Tokens   int64  `json:"tokens"`
}

// An Event is a change that somebody or something has made.
type Event struct {
	At   time.Time `json:"at"`
	Who  string    `json:"who"`
	What string    `json:"what"`
}

// A Plan is the answer of POST /plan.
type Plan struct {
	Tokens     int64       `json:"tokens"`
	Counted    bool        `json:"counted"` // by Gemini, and not estimated or given
	Now        time.Time   `json:"now"`
	Best       *Candidate  `json:"best"` // nil: never
	Candidates []Candidate `json:"candidates"`
	// Own is what stands in the way among the asking caller's own limits and budgets; nil: nothing.
	Own *Own `json:"own"`
}

// An Own is a wait that a caller's own limits or budgets demand.
type Own struct {
	Start  *time.Time `json:"start"` // nil: never
	Cause  string     `json:"cause"`
	Budget string     `json:"budget"` // its name in errors, such as DollarsPerDayPerCaller
}

// A Candidate is one model of one project that a request could run on.
type Candidate struct {
	Project string     `json:"project"`
	Model   string     `json:"model"`
	Start   *time.Time `json:"start"` // nil: never
	WaitMs  int64      `json:"wait_ms"`
	Cause   string     `json:"cause"` // of the wait, empty when there is none
	Of      string     `json:"of"`    // what has that limit, where it isn't the model by itself; else empty
	Limits  Limits     `json:"limits"`
}

// Limits are requests per minute, input tokens per minute and requests per day.
type Limits struct {
	RPM int64 `json:"rpm"`
	TPM int64 `json:"tpm"`
	RPD int64 `json:"rpd"`
}

// A Change is the body of POST /config. What is nil stays as it is.
type Change struct {
	// Mode is the name of one in quotes, or null: the configured one.
	Mode json.RawMessage `json:"mode,omitempty"`
	// Prefer is free, paid or any in quotes, or null: the configured one.
	Prefer     json.RawMessage `json:"prefer,omitempty"`
	DisableKey *int            `json:"disable_key,omitempty"`
	EnableKey  *int            `json:"enable_key,omitempty"`
	// Chain goes back to the configured one when it is empty.
	Chain *[]string `json:"chain,omitempty"`
	// Force has a chain taken though Gemini doesn't list all of its models.
	Force bool `json:"force,omitempty"`
	// Limits is an object in the shape of FLUXGATE_LIMITS; an empty one goes back to the configured limits.
	Limits json.RawMessage `json:"limits,omitempty"`
}

// Configured is the answer of POST /config.
type Configured struct {
	Status     string   `json:"status"`
	Mode       string   `json:"mode"`
	Prefer     string   `json:"prefer"` // empty: of a build that couldn't have it set
	ModelChain []string `json:"model_chain"`
	// Limits are those that were set at run time: rpm, tpm and rpd by model, as far as set.
	Limits map[string]map[string]int64 `json:"limits"`
	// Unlisted are models of the chain that Gemini doesn't list.
	Unlisted []string `json:"unlisted"`
}

// A Validation is the answer of POST /validate.
type Validation struct {
	At      time.Time `json:"at"`
	Running bool      `json:"running"` // by another instance: the keys are as they were found before
	Keys    []Key     `json:"keys"`
}

// A PolicyReport is the answer of POST /refresh-policy.
type PolicyReport struct {
	At      time.Time         `json:"at"`
	Models  map[string]Limits `json:"models"`
	Refused []RefusedLimit    `json:"refused"`
	Error   string            `json:"error"` // empty: Gemini has answered
}

// A RefusedLimit is a number that is too large to be believed.
type RefusedLimit struct {
	Model string `json:"model"`
	Limit string `json:"limit"`
	Value int64  `json:"value"`
	Most  int64  `json:"most"`
}

// Done is the answer of a change that has nothing to tell.
type Done struct {
	Status string `json:"status"`
}
