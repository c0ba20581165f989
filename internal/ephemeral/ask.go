package ephemeral

import (
	"encoding/json"
	"errors"
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
		BidiGenerateContentSetup struct{ Model string }
		FieldMask                string
	}
	// Members may be spelt with underscores too: that is how all of Google's APIs read JSON.
	var members, spelt map[string]json.RawMessage
	err := json.Unmarshal(body, &members)
	if err == nil {
		spelt = make(map[string]json.RawMessage, len(members))
		for name, value := range members {
			spelt[strings.ToLower(strings.ReplaceAll(name, "_", ""))] = value
		}
		if body, err = json.Marshal(spelt); err == nil {
			err = json.Unmarshal(body, &in)
		}
	}
	if err != nil || len(spelt) < len(members) {
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
		t.Model = strings.TrimPrefix(in.BidiGenerateContentSetup.Model, "models/")
	}
	return t, nil
}

// NameIn returns the name of the token in the answer to such a request; "" if there is none.
func NameIn(answer []byte) string {
	var out struct{ Name string }
	if json.Unmarshal(answer, &out) != nil || !strings.HasPrefix(out.Name, Prefix) {
		return ""
	}
	return out.Name
}
