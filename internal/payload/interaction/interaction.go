package interaction

import (
	"encoding/json"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload"
)

// Kind begins the names under which interactions are known here. Upstream
// gives them IDs only.
const Kind = "interactions/"

// A Request is what of a request to the Interactions API matters here. The rest
// passes as it is.
type Request struct {
	Model, Agent string // one of them, as it is spelt, without "models/"
	Stream       bool
	// Store says that upstream keeps it, so that later ones can refer to it.
	Store bool
	// Previous are the names of the interactions that it goes on from, those of all members of that
	// name, each once: upstream may take any.
	Previous []string
}

// ErrNoModel is the *FieldError for a request without a model or an agent.
var ErrNoModel = invalid("model", `name one, such as "gemini-2.5-flash", or "auto"; or an agent.`)

// Read reads it. Of other members that are there twice the last one counts, and of models in
// all spellings: Body.Rename leaves no other. It fails with a *FieldError.
func Read(body []byte) (*Request, error) {
	in := &Request{Store: true}
	for name, value := range payload.MembersOf(body) {
		if err := in.member(name, value); err != nil {
			return nil, err
		}
	}
	in.Model = strings.TrimPrefix(in.Model, "models/")
	switch {
	case in.Model == "" && in.Agent == "":
		return nil, ErrNoModel
	case in.Model != "" && in.Agent != "":
		return nil, invalid("agent", "name a model or an agent, not both.")
	case !payload.ValidModel(in.Model + in.Agent):
		return nil, payload.ErrModel
	}
	return in, nil
}

// member notes what a member of the request says.
func (in *Request) member(name, value []byte) error {
	switch {
	case payload.Spells(name, "model"):
		return into("model", value, &in.Model, "want a text.")
	case payload.Spells(name, "agent"):
		before := in.Agent
		if err := into("agent", value, &in.Agent, "want a text."); err != nil || before == "" || before == in.Agent {
			return err
		}
		return invalid("agent", "name one agent.") // upstream might take either
	case string(name) == "stream":
		return into("stream", value, &in.Stream, "want true or false.")
	case string(name) == "store":
		return into("store", value, &in.Store, "want true or false.")
	case payload.Spells(name, previousMember):
		return in.follow(string(name[:min(len(name), maxValue)]), value)
	}
	return nil
}

// maxValue bounds the members that are read, in bytes: names and IDs are short.
const maxValue = 1 << 10

// previousMember names the interaction that this one goes on from, however it is spelt (payload.Spells).
const previousMember = "previousinteractionid"

// maxPrevious bounds how many of these a body may name, for each is asked for; clients name one.
const maxPrevious = 4

// follow notes an interaction that this one goes on from.
func (in *Request) follow(name string, value []byte) error {
	var id string
	if err := into(name, value, &id, "want a text."); err != nil || id == "" {
		return err
	}
	if !payload.ValidResource(id) {
		return invalid(name, "that is no interaction's ID.")
	}
	switch {
	case slices.Contains(in.Previous, Kind+id):
	case len(in.Previous) == maxPrevious:
		return invalid(name, "name one interaction to go on from.")
	default:
		in.Previous = append(in.Previous, Kind+id)
	}
	return nil
}

// into decodes the value of a member. Null is as if it weren't there.
func into(name string, value []byte, v any, want string) error {
	if len(value) > maxValue || json.Unmarshal(value, v) != nil {
		return invalid(name, want)
	}
	return nil
}

func invalid(field, text string) error { return &payload.FieldError{Field: field, Text: text} }
