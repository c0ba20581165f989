package remote

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	// identityMargin is how long before its end an ID token is replaced, so that none ends on its way.
	identityMargin = 5 * time.Minute
	// gcloudTime bounds one run of gcloud, which is slow to start and may ask Google.
	gcloudTime = 30 * time.Second
)

// An Identity gets ID tokens of the Google account at hand, for one audience. Application default credentials come first:
// they serve service accounts and the metadata server of Google Cloud. Google issues no ID token for a user's application
// default credentials, so users are served by `gcloud auth print-identity-token`. A token is kept until shortly before it
// ends. Safe for concurrent use.
type Identity struct {
	audience string
	open     Credentials

	mu      sync.Mutex
	source  func(context.Context) (Token, error) // nil until one has worked
	token   Token
	expires time.Time
}

// Credentials opens application default credentials, and returns what gets ID tokens for an audience by them. Package
// googleid has them.
type Credentials func(ctx context.Context, audience string) (token func() (string, error), err error)

// NewIdentity returns the source of tokens for an audience: the URL of the service, unless that has been given another.
func NewIdentity(audience string, open Credentials) *Identity {
	return &Identity{audience: audience, open: open}
}

// Format keeps the token out of every fmt verb, which print fields that aren't exported as they are.
func (i *Identity) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "identity for "+i.audience) }

// Token returns a token that holds for some minutes yet. Whoever needs one while it is fetched waits for the lock. That is
// no singleflight.Group because the fetch shall end with the call that began it: it may have started gcloud, which must not
// outlive this program, and those who wait are of the same command and end with it.
func (i *Identity) Token(ctx context.Context) (Token, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	if i.token != "" && now.Before(i.expires.Add(-identityMargin)) {
		return i.token, nil
	}
	token, err := i.fetch(ctx)
	if err != nil {
		return "", err
	}
	i.token, i.expires = token, expiry(token, now)
	return token, nil
}

// last returns the token that was used last, for keeping it out of texts.
func (i *Identity) last() Token {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.token
}

func (i *Identity) fetch(ctx context.Context) (Token, error) {
	if i.source != nil {
		return i.source(ctx)
	}
	source, err := i.fromDefault(ctx)
	if err == nil {
		var token Token
		if token, err = source(ctx); err == nil {
			i.source = source
			return token, nil
		}
	}
	token, gcloudErr := i.fromGcloud(ctx)
	if gcloudErr != nil {
		return "", fmt.Errorf("no Google identity (gcloud auth login makes one): application default credentials: %s; gcloud: %w", firstLine(err.Error()), gcloudErr)
	}
	i.source = i.fromGcloud
	return token, nil
}

// fromDefault opens application default credentials. They outlive the request that needs them first.
func (i *Identity) fromDefault(ctx context.Context) (func(context.Context) (Token, error), error) {
	source, err := i.open(context.WithoutCancel(ctx), i.audience)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (Token, error) {
		token, err := source()
		return Token(token), err
	}, nil
}

// fromGcloud asks gcloud for a token of its active account. Only a service account may name an audience; for a user gcloud
// refuses it, and Cloud Run takes the user's token without.
func (i *Identity) fromGcloud(ctx context.Context) (Token, error) {
	token, err := runGcloud(ctx, "--audiences="+i.audience)
	if err != nil && !errors.Is(err, exec.ErrNotFound) && ctx.Err() == nil {
		token, err = runGcloud(ctx)
	}
	return token, err
}

func runGcloud(ctx context.Context, args ...string) (Token, error) {
	ctx, cancel := context.WithTimeout(ctx, gcloudTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "gcloud", append([]string{"auth", "print-identity-token", "--quiet"}, args...)...)
	cmd.WaitDelay = time.Second // gcloud is a script; what it started may hold the pipes open
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if text := firstLine(stderr.String()); text != "" {
			return "", fmt.Errorf("%w: %s", err, text)
		}
		return "", err
	}
	token := Token(strings.TrimSpace(stdout.String()))
	if token == "" || token.check() != nil {
		return "", errors.New("it printed something else than a token")
	}
	return token, nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}

// expiry reads when a token ends. One that doesn't say is asked for anew each time.
func expiry(token Token, now time.Time) time.Time {
	parts := strings.Split(string(token), ".")
	if len(parts) != 3 {
		return now
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return now
	}
	var c struct {
		Expires float64 `json:"exp"`
	}
	if json.Unmarshal(claims, &c) != nil || c.Expires <= 0 {
		return now
	}
	return time.Unix(int64(c.Expires), 0)
}
