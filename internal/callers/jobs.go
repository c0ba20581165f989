package callers

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/api/idtoken"
	"google.golang.org/api/option"

	"fluxgate.dev/fluxgate/internal/config"
)

// Bounds of asking for the certificates by which identity tokens are verified.
// Between requests they are kept as long as their Cache-Control allows, hours.
const (
	certsTimeout = 5 * time.Second
	certsPause   = 10 * time.Second // after a failure, so that no caller can have us ask all the time
	maxCerts     = 256 << 10        // bytes
)

// issuers are Google's names for itself in the identity tokens of accounts.
// https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken
var issuers = []string{"https://accounts.google.com", "accounts.google.com"}

// A jobVerifier recognises scheduled jobs by their identity tokens, which Google signs.
// Nil recognises nobody.
type jobVerifier struct {
	account   string
	audiences []string
	validator *idtoken.Validator
}

// newJobVerifier returns the verifier of a configuration, nil if it names no jobs. Transport
// carries the requests for Google's certificates. There is no such request
// before a token needs one.
func newJobVerifier(ctx context.Context, cfg *config.Config, transport http.RoundTripper) (*jobVerifier, error) {
	if !cfg.HasJobs() {
		return nil, nil
	}
	account, ok := config.CallerEmail(cfg.JobsAccount)
	if !ok {
		return nil, errors.New("FLUXGATE_JOBS_ACCOUNT: want the email address of a service account")
	}
	client := &http.Client{Transport: &certificateTransport{next: transport}}
	validator, err := idtoken.NewValidator(ctx, option.WithHTTPClient(client))
	if err != nil {
		return nil, fmt.Errorf("identity tokens: %w", err)
	}
	return &jobVerifier{account: account, audiences: cfg.JobsAudience, validator: validator}, nil
}

// claims are what an identity token says.
type claims struct {
	Issuer   string `json:"iss"`
	Audience any    `json:"aud"` // Google's is a text, the standard allows a list
	Email    string `json:"email"`
	Verified bool   `json:"email_verified"`
}

// name returns the verified email address as the name of a caller.
func (c claims) name() (string, bool) {
	if !c.Verified {
		return "", false
	}
	return config.CallerEmail(c.Email)
}

// maxIdentity is the longest identity token that is looked into, in bytes.
const maxIdentity = 16 << 10

// claimsOf reads an identity token without verifying it.
func claimsOf(token string) (claims, bool) {
	var c claims
	parts := strings.Split(token, ".")
	return c, len(parts) == 3 && len(token) <= maxIdentity && decodePart(parts[1], &c)
}

func decodePart(part string, v any) bool {
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	return err == nil && json.Unmarshal(text, v) == nil
}

// bearer returns the token of a Bearer scheme, or nothing.
func bearer(header string) string {
	scheme, token, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// matches reports whether the claims of a token are a job's, and for this
// service. Their signature isn't verified: that is enough only where somebody
// else has done so.
func (j *jobVerifier) matches(token string) bool {
	if j == nil {
		return false
	}
	c, ok := claimsOf(token)
	if !ok {
		return false
	}
	name, ok := c.name()
	audience, _ := c.Audience.(string)
	return ok && name == j.account && slices.Contains(j.audiences, audience)
}

// verify reports whether a token is a job's. The error, which matches
// [ErrUnavailable], is that this can't be found out now.
func (j *jobVerifier) verify(ctx context.Context, token string) (bool, error) {
	// What wouldn't do if it were genuine isn't worth asking for certificates.
	if !j.matches(token) {
		return false, nil
	}
	// Google signs with RS256. The validator knows another algorithm, of another
	// product, and believes the token about which it is.
	var header struct {
		Algorithm string `json:"alg"`
	}
	first, _, _ := strings.Cut(token, ".")
	if !decodePart(first, &header) || header.Algorithm != "RS256" {
		return false, nil
	}
	payload, err := j.validator.Validate(ctx, token, "") // its audience is checked
	switch {
	case errors.Is(err, errCerts):
		return false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case err != nil:
		return false, nil // forged, expired, or not a token at all
	}
	return slices.Contains(issuers, payload.Issuer), nil
}

// errCerts: Google's certificates can't be had.
var errCerts = errors.New("certificates of Google can't be fetched")

// certificateTransport fetches certificates, within bounds, and marks every
// failure as one (errCerts): the validator's own errors don't tell it from a bad token.
type certificateTransport struct {
	next http.RoundTripper

	mu     sync.Mutex
	failed error // the last time, until then
	until  time.Time
}

// RoundTrip implements http.RoundTripper.
func (c *certificateTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	c.mu.Lock()
	failed, until := c.failed, c.until
	c.mu.Unlock()
	if failed != nil && time.Now().Before(until) {
		return nil, failed
	}
	resp, err := c.fetch(req)
	if err != nil {
		err = fmt.Errorf("%w: %w", errCerts, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed, c.until = err, time.Now().Add(certsPause)
	return resp, err
}

// fetch returns an answer whose body is there, and is JSON.
func (c *certificateTransport) fetch(req *http.Request) (*http.Response, error) {
	// A caller that hangs up must not have the next one refused.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(req.Context()), certsTimeout)
	defer cancel()
	resp, err := c.next.RoundTrip(req.Clone(ctx))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxCerts+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxCerts:
		return nil, fmt.Errorf("more than %d bytes", maxCerts)
	case !json.Valid(body):
		return nil, errors.New("not JSON")
	}
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	return resp, nil
}
