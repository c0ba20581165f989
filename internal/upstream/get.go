package upstream

import (
	"context"
	"errors"
	"net/http"

	"fluxgate.dev/fluxgate/internal/bodies"
)

// Get asks a provider for a path, with the key of the context. The caller has to close the
// answer's body.
func Get(ctx context.Context, p Provider, path string) (*http.Response, error) {
	req, err := p.NewRequest(ctx, http.MethodGet, path, http.NoBody)
	if err != nil {
		return nil, err
	}
	return p.Do(req)
}

// Read returns what a provider answers to Get, up to a size in bytes, which are taken from the
// budget of the context. An answer that is no success is an *Error, in which the key isn't.
func Read(ctx context.Context, p Provider, path, key string, most int64) ([]byte, error) {
	resp, err := Get(ctx, p, path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := bodies.ReadAnswer(ctx, resp.Body, resp.ContentLength, most)
	switch {
	case err != nil && !errors.Is(err, bodies.ErrTooLarge):
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, p.Classify(resp.StatusCode, text, key)
	}
	return text, nil
}
