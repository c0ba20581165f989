package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload"
)

// A Base is where a provider lies. The paths of its requests are put together here, from names
// that were checked, so that none leads elsewhere.
type Base struct{ url *url.URL }

// ParseBase returns the base of an absolute http or https URL. It fails where that carries a
// user, a query or a fragment: credentials don't belong there.
func ParseBase(s string) (Base, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return Base{}, errors.New("base URL can't be parsed") // url's error quotes it, with any password
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return Base{}, errors.New("base URL must be an absolute http or https URL")
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return Base{}, errors.New("base URL must not have a user, query or fragment")
	case u.Path == "":
		u.Path = "/" // or what is joined to it would be relative
	}
	return Base{u}, nil
}

// URL returns it; it must not be changed.
func (b Base) URL() *url.URL { return b.url }

// NewRequest makes a request for a path below it, without a credential. The path isn't escaped.
func (b Base) NewRequest(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, "", body)
	if err != nil {
		return nil, err
	}
	r.URL = b.Join(path)
	if large, ok := body.(*payload.RopeReader); ok {
		r.ContentLength = large.Len()
		r.GetBody = func() (io.ReadCloser, error) { return large.Again(), nil }
	}
	return r, nil
}

// Join returns the URL of a path below the base.
func (b Base) Join(path string) *url.URL {
	if b.url.RawPath != "" || !plainPath(path) {
		return b.url.JoinPath(path)
	}
	u := *b.url
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + path
	return &u
}

// plainPath tells whether nothing in a relative path needs to be cleaned or escaped, as in almost all there are.
func plainPath(path string) bool {
	segment := 0 // bytes of it so far
	for i := range len(path) {
		switch b := path[i]; {
		case b == '/' && segment == 0, b == '.' && segment == 0:
			return false
		case b == '/':
			segment = 0
			continue
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_', b == '.', b == ':':
			segment++
		default:
			return false
		}
	}
	return segment > 0
}
