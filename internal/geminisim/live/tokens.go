package live

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"
)

// A token is an ephemeral token.
type token struct {
	project       string
	model         string // "": any
	left          int    // sessions that it may begin; negative: any number
	begins, until time.Time
}

// The bounds of tokens, as documented.
const (
	tokenBegins  = time.Minute
	tokenLasts   = 30 * time.Minute
	tokenLongest = 20 * time.Hour
)

// CreateToken answers POST v1alpha/auth_tokens of a project with the new token, or with what
// is wrong.
func (s *Service) CreateToken(project string, body []byte) (answer []byte, invalid string) {
	var in struct {
		Uses                     *int       `json:"uses"`
		ExpireTime               *time.Time `json:"expireTime"`
		NewSessionExpireTime     *time.Time `json:"newSessionExpireTime"`
		BidiGenerateContentSetup *setup     `json:"bidiGenerateContentSetup"`
	}
	if err := json.Unmarshal(body, &in); len(body) > 0 && err != nil {
		return nil, "Request contains an invalid argument."
	}
	now := s.cfg.Now()
	t := &token{project: project, left: 1, begins: now.Add(tokenBegins), until: now.Add(tokenLasts)}
	if in.Uses != nil {
		if t.left = *in.Uses; t.left == 0 {
			t.left = -1
		}
	}
	if in.ExpireTime != nil {
		t.until = *in.ExpireTime
	}
	if in.NewSessionExpireTime != nil {
		t.begins = *in.NewSessionExpireTime
	}
	if latest := now.Add(tokenLongest); t.until.After(latest) || t.begins.After(latest) {
		return nil, "expire_time must be less than 20 hours in the future."
	}
	if in.BidiGenerateContentSetup != nil {
		t.model = strings.TrimPrefix(in.BidiGenerateContentSetup.Model, "models/")
	}
	name := "auth_tokens/" + rand.Text() + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[name] = t
	return object{"name": name}.bytes(), ""
}

// useToken returns a token for a session that begins or is resumed, or why it isn't for one.
func (s *Service) useToken(name string, resume bool) (t *token, refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens[name]
	now := s.cfg.Now()
	switch {
	case !ok:
		return nil, "Token not found."
	case now.After(t.until), !resume && now.After(t.begins):
		return nil, "Token has expired."
	case resume:
		return t, ""
	case t.left == 0:
		return nil, "Token has been used too many times."
	case t.left > 0:
		t.left--
	}
	return t, ""
}
