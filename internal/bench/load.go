package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// newClient returns a client that keeps so many connections open.
func newClient(connections int) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.MaxConnsPerHost = connections, connections, connections
	return &http.Client{Transport: t}
}

// request makes a request as an SDK sends it.
func request(ctx context.Context, url, key string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "google-genai-sdk/1.77.0 gl-go/go1.26")
	req.Header.Set("X-Goog-Api-Client", "google-genai-sdk/1.77.0 gl-go/go1.26")
	req.Header.Set("X-Goog-Api-Key", key)
	return req, nil
}

// A target is what requests go to.
type target struct {
	url, key string
	client   *http.Client
	// body returns the n-th body. No two are the same.
	body func(n int64) []byte
	sent atomic.Int64
}

// load sends n requests over the given number of connections, each as soon as
// the one before it is answered, and returns how long that took. Any answer but
// 200 ends it: a refusal costs less than an answer.
func (t *target) load(ctx context.Context, n, connections int) (time.Duration, error) {
	var left atomic.Int64
	left.Store(int64(n))
	begin := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for range connections {
		g.Go(func() error {
			for left.Add(-1) >= 0 {
				if err := t.sendOnce(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	return time.Since(begin), err
}

func (t *target) sendOnce(ctx context.Context) error {
	req, err := request(ctx, t.url, t.key, t.body(t.sent.Add(1)))
	if err != nil {
		return err
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // whatever there is of it
		return fmt.Errorf("%s answered %s: %s", t.url, resp.Status, text)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("read the answer of %s: %w", t.url, err)
	}
	return nil
}

// A small prompt, as the API and as /generate take it.
func nativeBody(n int64) []byte {
	return fmt.Appendf(nil, `{"contents":[{"role":"user","parts":[{"text":"Translate to French: Good morning, number %d."}]}],`+
		`"generationConfig":{"temperature":0.7,"maxOutputTokens":256}}`, n)
}

func generateBody(n int64) []byte {
	return fmt.Appendf(nil, `{"prompt":"Translate to French: Good morning, number %d.","temperature":0.7,"max_tokens":256}`, n)
}
