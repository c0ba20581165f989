package remote

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DefaultURL is where `fluxgate serve` listens.
const DefaultURL = "http://127.0.0.1:8080"

// Headers that carry a credential.
const (
	tokenHeader    = "X-Fluxgate-Token"
	identityHeader = "Authorization"
	// Cloud Run looks at this instead of Authorization where it is given, and Fluxgate never takes it for a token. Beside one
	// it keeps a Fluxgate that isn't told of IAM (FLUXGATE_AUTH) from seeing two credentials, which it refuses.
	// https://docs.cloud.google.com/run/docs/authenticating/service-to-service
	serverlessHeader = "X-Serverless-Authorization"
)

// maxMessage is the length of a server's message that is still worth showing, in characters.
const maxMessage = 500

// An Access is the address of one Fluxgate and what opens it.
type Access struct {
	// URL is the base address, without a path of the interface and without a slash at the end.
	URL string
	// Token is sent as X-Fluxgate-Token. Empty: none.
	Token Token
	// Identity is sent as Authorization: Bearer, and beside a token as X-Serverless-Authorization. Nil: none.
	Identity *Identity
}

// Check returns all that is wrong with an access, or nil.
func (a Access) Check() error {
	u, err := parseURL(a.URL)
	if err != nil {
		return errors.Join(fmt.Errorf("url: %w", err), a.checkToken())
	}
	if (a.Token != "" || a.Identity != nil) && u.Scheme != "https" && !loopback(u.Hostname()) {
		err = errors.New("url: a token would cross the network unencrypted: want https://, or http:// on this machine")
	}
	return errors.Join(err, a.checkToken())
}

func (a Access) checkToken() error {
	if err := a.Token.check(); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	return nil
}

// Loopback reports whether the address is of this machine, by its name or number alone.
func (a Access) Loopback() bool {
	u, err := parseURL(a.URL)
	return err == nil && loopback(u.Hostname())
}

// withScheme returns what an address without a scheme is likely meant to be; empty: it has one, or is something else.
func withScheme(raw string) string {
	if strings.Contains(raw, "://") || strings.ContainsAny(raw, "@?#\\ ") {
		return ""
	}
	u, err := url.Parse("https://" + strings.TrimLeft(raw, "/"))
	switch {
	case err != nil || u.Hostname() == "":
		return ""
	case loopback(u.Hostname()):
		u.Scheme = "http"
	}
	return u.String()
}

func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if guess := withScheme(raw); guess != "" {
		return nil, fmt.Errorf("it has no scheme: did you mean %s?", guess)
	}
	switch {
	case err != nil:
		// The parser's own error repeats the address, which may hold a password.
		return nil, errors.New("not an address: want http://HOST or https://HOST")
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, errors.New("want http://HOST or https://HOST")
	case u.User != nil:
		return nil, errors.New("holds a user name or password; give a token instead")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("has a query or fragment; want the base address only")
	}
	return u, nil
}

// loopback reports whether a host is this machine by its name or number alone: what a resolver says can change.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// Authorize adds the credentials to a request. An error means that there is no identity token to be had.
func (a Access) Authorize(r *http.Request) error {
	header := identityHeader
	if a.Token != "" {
		r.Header.Set(tokenHeader, string(a.Token))
		header = serverlessHeader
	}
	if a.Identity == nil {
		return nil
	}
	identity, err := a.Identity.Token(r.Context())
	if err != nil {
		return err
	}
	r.Header.Set(header, "Bearer "+string(identity))
	return nil
}

// Sanitize makes a text that came from outside fit to be shown or kept: short, without the credentials should a server
// repeat them, and without what would move a terminal's cursor.
func (a Access) Sanitize(text string) string {
	secrets := []Token{a.Token}
	if a.Identity != nil {
		secrets = append(secrets, a.Identity.last())
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, string(secret), secret.redacted())
		}
	}
	text = Printable(text)
	if utf8.RuneCountInString(text) > maxMessage {
		text = string([]rune(text)[:maxMessage]) + "…"
	}
	return text
}

// Printable replaces what isn't text. Line breaks stay.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// WithoutRedirects returns a copy of a client that follows no redirect. net/http would take X-Fluxgate-Token along to another host,
// and make a GET of a POST.
func WithoutRedirects(client *http.Client) *http.Client {
	guarded := *client
	guarded.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &guarded
}

// Unreachable reports whether a failed exchange never had a connection.
func Unreachable(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "dial"
}

// Cause returns what failed in an exchange without the address, which the user knows.
func Cause(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
