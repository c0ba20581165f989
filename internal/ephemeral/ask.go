package ephemeral

import (
	"encoding/json"
	"errors"
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
	}
	if err := json.Unmarshal(body, &in); err != nil {
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
	t.Model = strings.TrimPrefix(in.BidiGenerateContentSetup.Model, "models/")
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
