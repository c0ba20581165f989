package payload

import (
	"encoding/json"
	"strings"
)

// InteractionKind begins the names under which interactions are known here. Upstream
// gives them IDs only.
const InteractionKind = "interactions/"

// An Interaction is what of a request to the Interactions API matters here. The rest
// passes as it is.
type Interaction struct {
	Model, Agent string // one of them, as it is spelt, without "models/"
	Stream       bool
	// Store says that upstream keeps it, so that later ones can refer to it.
	Store bool
	// Previous are the names of the interactions that it goes on from, those of all members of that
	// name: upstream may take any.
	Previous []string
}

// ErrNoInteractionModel is the *FieldError for a request without a model or an agent.
var ErrNoInteractionModel = invalid("model", `name one, such as "gemini-2.5-flash", or "auto"; or an agent.`)

// ReadInteraction reads it. Of other members that are there twice the last one counts.
// It fails with a *FieldError.
func ReadInteraction(body []byte) (*Interaction, error) {
	in := &Interaction{Store: true}
	err := eachMember(body, func(name string, from, to int) error {
		value := body[from:to]
		if strings.EqualFold(strings.ReplaceAll(name, "_", ""), previousMember) {
			return in.follow(name, value)
		}
		switch name {
		case "model":
			return into(name, value, &in.Model, "want a text.")
		case "agent":
			return into(name, value, &in.Agent, "want a text.")
		case "stream":
			return into(name, value, &in.Stream, "want true or false.")
		case "store":
			return into(name, value, &in.Store, "want true or false.")
		}
		return nil
	})
	in.Model = strings.TrimPrefix(in.Model, "models/")
	switch {
	case err != nil:
		return nil, err
	case in.Model == "" && in.Agent == "":
		return nil, ErrNoInteractionModel
	case in.Model != "" && in.Agent != "":
		return nil, invalid("agent", "name a model or an agent, not both.")
	case !ValidModel(in.Model + in.Agent):
		return nil, ErrModel
	}
	return in, nil
}

// previousMember names the interaction that this one goes on from, in whatever case and with or without
// underscores, as protobuf's parsers have taken names.
const previousMember = "previousinteractionid"

// follow notes an interaction that this one goes on from.
func (in *Interaction) follow(name string, value []byte) error {
	var id string
	if err := into(name, value, &id, "want a text."); err != nil || id == "" {
		return err
	}
	if !ValidResource(id) {
		return invalid(name, "that is no interaction's ID.")
	}
	in.Previous = append(in.Previous, InteractionKind+id)
	return nil
}

// into decodes the value of a member. Null is as if it weren't there.
func into(name string, value []byte, v any, want string) error {
	if json.Unmarshal(value, v) != nil {
		return invalid(name, want)
	}
	return nil
}

// An InteractionFinder finds the ID of an interaction in an answer as it comes, be it
// JSON or events. It keeps nothing of the answer.
type InteractionFinder struct {
	depth    int
	quoted   bool
	escaped  bool
	text     []byte    // of the string that is being read, where that may matter
	members  [3]string // the last member's name, by depth
	isObject [3]bool
	isName   [3]bool // a name is to come
}

// maxInteractionID bounds an ID, in bytes.
const maxInteractionID = maxResourceID

// Find reads a piece. It returns the name of the interaction once its ID is there, and
// else "".
func (f *InteractionFinder) Find(piece []byte) string {
	for _, c := range piece {
		if f.quoted {
			if id := f.within(c); id != "" {
				return InteractionKind + id
			}
			continue
		}
		switch c {
		case '"':
			f.quoted, f.text = true, f.text[:0]
		case '{', '[':
			if f.depth++; f.near() {
				f.isObject[f.depth], f.isName[f.depth], f.members[f.depth] = c == '{', c == '{', ""
			}
		case '}', ']':
			f.depth = max(0, f.depth-1)
		case ',':
			if f.near() {
				f.isName[f.depth] = f.isObject[f.depth]
			}
		case ':':
			if f.near() {
				f.isName[f.depth] = false
			}
		}
	}
	return ""
}

// near reports whether what is being read may hold the ID.
func (f *InteractionFinder) near() bool { return f.depth == 1 || f.depth == 2 }

// within reads a byte of a string, and returns the ID if that has ended it.
func (f *InteractionFinder) within(c byte) string {
	switch {
	case f.escaped:
		f.escaped = false
	case c == '\\':
		f.escaped = true
	case c == '"':
		f.quoted = false
		return f.ended()
	}
	if f.near() && len(f.text) <= maxInteractionID {
		f.text = append(f.text, c)
	}
	return ""
}

// ended takes a string for what it is, and returns it if it is the ID.
func (f *InteractionFinder) ended() string {
	if !f.near() || !f.isObject[f.depth] {
		return ""
	}
	if f.isName[f.depth] {
		f.members[f.depth] = string(f.text)
		return ""
	}
	name := f.members[f.depth]
	own := f.depth == 1 && (name == "id" || name == "interaction_id") || f.depth == 2 && f.members[1] == "interaction" && name == "id"
	if id := string(f.text); own && ValidResource(id) {
		return id
	}
	return ""
}

// InteractionUsage finds the last usage of an interaction. Its tools' prompts are input too.
var InteractionUsage = &Meter{[]string{`"usage"`, `"model"`}, func(end *Tail) Usage {
	u := Usage{PromptTokens: -1}
	all := [...]count{{name: "total_input_tokens"}, {name: "total_tool_use_tokens"}, {name: "total_tokens"}}
	counted := end.last(`"usage"`, func(value []byte) bool { return readCounts(value, all[:]) })
	if counted && all[0].n > 0 {
		u.PromptTokens, u.TotalTokens = all[0].n+max(all[1].n, 0), all[2].n
	}
	end.last(`"model"`, func(value []byte) bool { return readString(value, &u.ModelVersion) })
	return u
}}

// ConversationTokens returns how many tokens an interaction, as upstream describes it,
// brings to the one that goes on from it.
func ConversationTokens(interaction []byte) int64 {
	end := NewTail(InteractionUsage)
	_, _ = end.Write(interaction) // never fails
	return InteractionUsage.Read(end).TotalTokens
}
