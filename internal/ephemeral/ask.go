package ephemeral

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// What holds where a request for a token says nothing, as documented:
// https://ai.google.dev/gemini-api/docs/ephemeral-tokens
const (
	begins = time.Minute
	lasts  = 30 * time.Minute
)

// Asked returns what a request for a token asks for, at an instant, but for whose it is.
func Asked(body []byte, now time.Time) (Token, error) {
	t := Token{Begins: now.Add(begins), Until: now.Add(lasts), Left: 1}
	var in struct {
		Uses                     *int
		ExpireTime               *time.Time
		NewSessionExpireTime     *time.Time
		BidiGenerateContentSetup json.RawMessage
		FieldMask                string
	}
	err := decode(body, &in)
	var model string
	if err == nil {
		model, err = modelOf(in.BidiGenerateContentSetup)
	}
	if err != nil {
		return t, errors.New("want JSON as the SDKs send it")
	}
	if in.Uses != nil {
		if t.Left = *in.Uses; t.Left <= 0 {
			t.Left = -1 // no limit, as documented of 0
		}
	}
	if in.ExpireTime != nil {
		t.Until = *in.ExpireTime
	}
	if in.NewSessionExpireTime != nil {
		t.Begins = *in.NewSessionExpireTime
	}
	// With a mask only what it names is the token's, and the rest each session's own (documented).
	if in.FieldMask == "" || slices.Contains(strings.Split(in.FieldMask, ","), "model") {
		t.Model = strings.TrimPrefix(model, "models/")
	}
	return t, nil
}

// decode decodes an object however its members are spelt. It fails where two are spelt alike.
func decode(object []byte, into any) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return err
	}
	spelt := make(map[string]json.RawMessage, len(members))
	for name, value := range members {
		spelt[plain(name)] = value
	}
	if len(spelt) < len(members) {
		return errTwice
	}
	object, err := json.Marshal(spelt)
	if err != nil {
		return err
	}
	return json.Unmarshal(object, into)
}

// modelOf returns the model that a setup names, of which there is to be one at most; nil is no setup.
func modelOf(setup json.RawMessage) (model string, err error) {
	if setup == nil {
		return "", nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(setup, &members); err != nil {
		return "", err
	}
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool { return plain(name) != "model" })
	if len(members) > 1 {
		return "", errTwice
	}
	for _, value := range members {
		err = json.Unmarshal(value, &model)
	}
	return model, err
}

var errTwice = errors.New("a member that is there twice")

// plain returns a member's name whatever its case and without underscores: that is how all of
// Google's APIs read JSON.
func plain(member string) string {
	return strings.ToLower(strings.ToUpper(strings.ReplaceAll(member, "_", ""))) // there are letters with two small ones
}

// NameIn returns the name of the token in the answer to such a request; "" if there is none.
func NameIn(answer []byte) string {
	var out struct{ Name string }
	if json.Unmarshal(answer, &out) != nil || !strings.HasPrefix(out.Name, Prefix) {
		return ""
	}
	return out.Name
}
