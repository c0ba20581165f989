package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// An Auth says what stands before Fluxgate.
type Auth string

// AuthIAM states that Cloud Run's IAM lets nobody in who may not invoke the
// service. The zero Auth states nothing.
const AuthIAM Auth = "iam"

// Names of callers that have none of their own. No token may have them.
const (
	CallerAnonymous = "anonymous" // no token is configured and none is wanted
	CallerIAM       = "iam"       // let in by IAM, under an identity without a usable email address
	CallerScheduler = "scheduler" // a scheduled job, by the identity of JobsAccount
)

// Bounds of the callers' tokens.
const (
	MaxTokens      = 1000 // every one is compared with that of every request
	minTokenLength = 16   // characters
	maxTokenLength = 1024
)

// A TokenEntry is one token and whose it is. A caller may have several, so that
// one can be rotated while the other is still in use.
type TokenEntry struct {
	// Name is the caller's public name, 1 to 32 lower case letters, digits, '-'
	// and '_', a letter or digit first.
	Name string
	// Token is 16 to 1024 visible ASCII characters.
	Token Secret
	// Where is where the entry comes from, for messages.
	Where string
}

// ParseToken reads "name:token". It checks neither: [CheckTokens] does. The
// error holds nothing of the text, because all of it may be a token.
func ParseToken(text string) (TokenEntry, error) {
	name, token, ok := strings.Cut(text, ":")
	if !ok {
		return TokenEntry{}, errors.New("want name:token")
	}
	return TokenEntry{Name: strings.TrimSpace(name), Token: NewSecret(strings.TrimSpace(token))}, nil
}

// TokenList are the tokens of one variable.
type TokenList []TokenEntry

// EnvDecode reads a list of name:token, separated by commas or line breaks;
// blank entries don't count. The error lists everything that is wrong, by the
// position of the entry.
func (l *TokenList) EnvDecode(text string) error {
	var list TokenList
	var problems []error
	position := 0
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		position++
		e, err := ParseToken(part)
		e.Where = fmt.Sprintf("entry %d", position)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", e.Where, err))
			continue
		}
		list = append(list, e)
	}
	if text != "" && position == 0 {
		problems = append(problems, errors.New("it holds no token: want name:token, comma separated, or no such variable"))
	}
	if err := flat(append(problems, CheckTokens(list))...); err != nil {
		return err
	}
	*l = list
	return nil
}

// CheckTokens checks names and tokens, and that no token occurs twice, not even
// under one name. The error lists everything that is wrong by Where; it holds no
// token, and no name that may be one.
func CheckTokens(entries []TokenEntry) error {
	var problems []error
	first := make(map[Secret]string, len(entries)) // where a token occurs
	for _, e := range entries {
		if err := e.check(); err != nil {
			problems = append(problems, inVariable(e.Where, err)...)
		}
		if e.Token.Empty() {
			continue // said already
		}
		if where, seen := first[e.Token]; seen {
			problems = append(problems, fmt.Errorf("%s: its token is that of %s: want one of its own", e.Where, where))
			continue
		}
		first[e.Token] = e.Where
	}
	for _, e := range entries {
		// A name is shown in public: a token in its place must not pass.
		if where, seen := first[NewSecret(e.Name)]; seen {
			problems = append(problems, fmt.Errorf("%s: its name is the token of %s: want name:token, and a name that is no secret", e.Where, where))
		}
	}
	if len(entries) > MaxTokens {
		problems = append(problems, fmt.Errorf("%d tokens: want at most %d", len(entries), MaxTokens))
	}
	return flat(problems...)
}

func (e TokenEntry) check() error {
	var problems []error
	switch {
	case !callerName.MatchString(e.Name):
		problems = append(problems, errors.New("its name: want 1 to 32 lower case letters, digits, '-' and '_', a letter or digit first"))
	case slices.Contains([]string{CallerAnonymous, CallerIAM, CallerScheduler}, e.Name):
		problems = append(problems, fmt.Errorf("the name %q is kept for callers that have no token: want another", e.Name))
	}
	token := e.Token.Reveal()
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		problems = append(problems, errors.New("its token: want visible ASCII characters only"))
	} else if n := len(token); n < minTokenLength || n > maxTokenLength {
		problems = append(problems, fmt.Errorf("its token has %d characters: want %d to %d", n, minTokenLength, maxTokenLength))
	}
	return errors.Join(problems...)
}

// readTokens resolves the secrets of tokens, which go before those in the
// environment, and says of each token where it is.
func (c *Config) readTokens() []error {
	var problems []error
	for _, list := range []struct {
		name   string
		tokens *TokenList
		secret string
		names  *[]string
	}{
		{"FLUXGATE_TOKENS", &c.Tokens, c.TokensSecret, &c.TokenSecretNames},
		{"FLUXGATE_ADMIN_TOKENS", &c.AdminTokens, c.AdminTokensSecret, &c.AdminTokenSecretNames},
	} {
		for i := range *list.tokens {
			(*list.tokens)[i].Where = fmt.Sprintf("%s: entry %d", list.name, i+1)
		}
		names, err := SecretNames(list.secret, c.GoogleCloudProject)
		if err != nil {
			problems = append(problems, inVariable(list.name+"_SECRET", err)...)
		}
		*list.names = names
		if list.secret != "" && len(*list.tokens) > 0 {
			*list.tokens = nil
			c.warn(fmt.Sprintf("%s is ignored because %s_SECRET is set", list.name, list.name))
		}
	}
	return problems
}

// warnCallers points at settings that have no effect.
func (c *Config) warnCallers() {
	iam := c.Auth == AuthIAM && c.OnCloud()
	if c.Auth == AuthIAM && !iam {
		c.warn("FLUXGATE_AUTH=iam is ignored outside Cloud Run: no IAM guards it here")
	}
	if len(c.TokenSecretNames)+len(c.AdminTokenSecretNames) > 0 {
		return // the names aren't known yet
	}
	for _, name := range slices.Sorted(maps.Keys(c.Callers)) {
		named := func(e TokenEntry) bool { return e.Name == name }
		switch {
		case slices.ContainsFunc(c.Tokens, named), slices.ContainsFunc(c.AdminTokens, named):
		case iam && (name == CallerIAM || strings.Contains(name, "@")):
		case name == CallerAnonymous && !c.HasTokens():
		case name == CallerScheduler && c.HasJobs():
		default:
			c.warn("FLUXGATE_CALLERS limits " + quoted(name) + ", but no caller has that name: want one of FLUXGATE_TOKENS")
		}
	}
}

// checkTokens checks the tokens of both variables together.
func (c *Config) checkTokens() error {
	all := slices.Concat(c.Tokens, c.AdminTokens)
	problems := []error{CheckTokens(all)}
	for _, e := range all {
		for _, k := range c.Keys {
			if e.Token == k.Value {
				// Whoever has the key needs no Fluxgate.
				problems = append(problems, fmt.Errorf("%s: its token is the key of GEMINI_KEY_%d: want one of its own", e.Where, k.Index))
			}
		}
	}
	return flat(problems...)
}
