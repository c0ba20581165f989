package gemini

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// sentAt reports when the request that failed with err reached upstream.
func sentAt(err error) (time.Time, bool) {
	var e *upstream.Error
	if !errors.As(err, &e) {
		return time.Time{}, false
	}
	return e.SentAt, !e.SentAt.IsZero()
}

func asError(t *testing.T, err error) *upstream.Error {
	t.Helper()
	require.Error(t, err)
	var e *upstream.Error
	require.ErrorAs(t, err, &e)
	return e
}

// roundTrip is an in-memory transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func reply(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

func memory(t *testing.T, rt roundTrip) *Client {
	t.Helper()
	c, err := New(Config{BaseURL: "http://upstream.test", Transport: rt})
	require.NoError(t, err)
	return c
}

func prompt() upstream.Prompt {
	return upstream.Prompt{Model: "m", Pieces: []payload.Piece{{Text: "Hi"}}}
}

func TestSentAt(t *testing.T) {
	answered := errors.New("connection lost")
	hook := func(r *http.Request, err error) {
		httptrace.ContextClientTrace(r.Context()).WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
	ok := func(r *http.Request) (*http.Response, error) {
		return reply(r, 200, `{"candidates":[{"finishReason":"STOP"}]}`), nil
	}
	tests := []struct {
		name string
		rt   roundTrip
		want time.Duration // after the start; negative: not sent
	}{
		{"the hook decides", func(r *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, r.Body)
			time.Sleep(2 * time.Second)
			hook(r, nil)
			time.Sleep(3 * time.Second)
			return ok(r)
		}, 2 * time.Second},
		{"no network and no hook: the body's end", func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			io.Copy(io.Discard, r.Body)
			time.Sleep(3 * time.Second)
			return ok(r)
		}, time.Second},
		{"neither: the answer", func(r *http.Request) (*http.Response, error) {
			time.Sleep(4 * time.Second)
			return ok(r)
		}, 4 * time.Second},
		{"never connected", func(r *http.Request) (*http.Response, error) {
			return nil, answered
		}, -1},
		{"broke off in the middle of the body", func(r *http.Request) (*http.Response, error) {
			io.CopyN(io.Discard, r.Body, 5)
			return nil, answered
		}, -1},
		{"body read but not written", func(r *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, r.Body)
			hook(r, answered)
			return nil, answered
		}, -1},
		{"lost after sending", func(r *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, r.Body)
			time.Sleep(time.Second)
			hook(r, nil)
			time.Sleep(time.Second)
			return nil, answered
		}, time.Second},
		{"lost between the last byte and the hook: may have arrived", func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			io.CopyN(io.Discard, r.Body, r.ContentLength)
			return nil, answered
		}, time.Second},
		{"refused before the body was sent", func(r *http.Request) (*http.Response, error) {
			io.CopyN(io.Discard, r.Body, 5)
			return reply(r, 413, ""), nil
		}, -1},
		{"sent again over another connection", func(r *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, r.Body)
			hook(r, nil)
			time.Sleep(time.Second)
			again, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			io.Copy(io.Discard, again)
			hook(r, nil)
			return ok(r)
		}, time.Second},
		{"rewound and not sent", func(r *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, r.Body)
			if _, err := r.GetBody(); err != nil {
				return nil, err
			}
			return nil, answered
		}, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				resp, err := memory(t, tt.rt).Generate(context.Background(), testKey, prompt())
				at, sent := sentAt(err)
				if err == nil {
					at, sent = resp.SentAt, true
				}
				assert.Equal(t, tt.want >= 0, sent)
				if sent {
					assert.Equal(t, tt.want, at.Sub(start))
				} else {
					assert.True(t, at.IsZero())
				}
			})
		})
	}
	_, sent := sentAt(answered)
	assert.False(t, sent, "an error from elsewhere says nothing")
}

func TestSentAtOverNetwork(t *testing.T) {
	// The hook must be wired to the real transport: the instant lies between arrival of the call and of the body's end.
	for _, http2 := range []bool{false, true} {
		var arrived time.Time
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			arrived = time.Now()
			assert.Equal(t, http2, r.ProtoMajor == 2)
			io.WriteString(w, `{"candidates":[{"finishReason":"STOP"}]}`)
		}))
		s.EnableHTTP2 = http2
		s.StartTLS()
		defer s.Close()
		c, err := New(Config{BaseURL: s.URL, Transport: s.Client().Transport})
		require.NoError(t, err)
		for _, size := range []int{1, 1 << 20} {
			before := time.Now()
			resp, err := c.Generate(context.Background(), testKey, upstream.Prompt{Model: "m", Pieces: []payload.Piece{{Text: strings.Repeat("a", size)}}})
			require.NoError(t, err)
			assert.True(t, resp.SentAt.After(before))
			assert.Less(t, resp.SentAt.Sub(arrived).Abs(), 2*time.Second)
		}
	}
}

// TestSmallBodyGoesWithItsHeader: it takes one write, and is known to be sent even if the answer is a refusal.
func TestSmallBodyGoesWithItsHeader(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer s.Close()
	var writes atomic.Int32
	var dialer net.Dialer
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		return countedConn{conn, &writes}, err
	}}
	defer transport.CloseIdleConnections()
	c, err := New(Config{BaseURL: s.URL, Transport: transport})
	require.NoError(t, err)
	for _, tt := range []struct {
		size int
		want int32 // writes at least
		most int32
	}{{2 << 10, 1, 1}, {64 << 10, 2, 100}} {
		writes.Store(0)
		ctx := upstream.WithKey(context.Background(), testKey)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/v1beta/models/m:generateContent", strings.NewReader(strings.Repeat("a", tt.size)))
		require.NoError(t, err)
		resp, err := c.Do(r)
		require.NoError(t, err)
		resp.Body.Close()
		_, sent := upstream.Sent(ctx)
		assert.True(t, sent, tt.size)
		assert.GreaterOrEqual(t, writes.Load(), tt.want, tt.size)
		assert.LessOrEqual(t, writes.Load(), tt.most, tt.size)
	}
}

type countedConn struct {
	net.Conn
	writes *atomic.Int32
}

func (c countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// wire is a listener for the other ends of pipes, so that a client and a server of net/http talk in virtual time.
type wire chan net.Conn

func (w wire) Accept() (net.Conn, error) {
	conn, ok := <-w
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (w wire) Close() error   { return nil }
func (w wire) Addr() net.Addr { return &net.UnixAddr{Name: "wire"} }

func (w wire) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	w <- there
	return here, nil
}

// However slow the machine, the request is sent before its time is up.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const patience = 100 * time.Millisecond
		w := make(wire)
		s := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done() // the client gives up
		})}
		served := make(chan error)
		go func() { served <- s.Serve(w) }()
		transport := upstream.NewTransport() // the default
		transport.DialContext, transport.Proxy = w.dial, nil
		c, err := New(Config{BaseURL: "http://upstream.test", Transport: transport})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		begun := time.Now()
		_, err = c.Generate(ctx, testKey, prompt())
		assert.Equal(t, patience, time.Since(begun))
		e := asError(t, err)
		assert.Equal(t, upstream.ClassTimeout.String(), e.Class.String())
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		at, sent := sentAt(err)
		assert.True(t, sent, "it may have been served and billed")
		assert.Equal(t, begun, at)
		assertNoKey(t, e)
		transport.CloseIdleConnections()
		close(w)
		assert.ErrorIs(t, <-served, net.ErrClosed)
	})
}

func TestContextEnds(t *testing.T) {
	wait := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	}
	own := errors.New("shutting down")
	tests := []struct {
		name  string
		ctx   func() (context.Context, context.CancelFunc)
		class upstream.Class
	}{
		{"deadline", func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), time.Minute)
		}, upstream.ClassTimeout},
		{"deadline with a cause", func() (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(context.Background(), time.Minute, own)
		}, upstream.ClassTimeout},
		{"cancelled", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, upstream.ClassCanceled},
		{"cancelled with a cause", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(time.Second, func() { cancel(own) })
			return ctx, func() { cancel(nil) }
		}, upstream.ClassCanceled},
		{"ended before the call", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return ctx, cancel
		}, upstream.ClassCanceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := tt.ctx()
				defer cancel()
				_, err := memory(t, wait).Generate(ctx, testKey, prompt())
				assert.Equal(t, tt.class.String(), asError(t, err).Class.String())
				_, sent := sentAt(err)
				assert.False(t, sent)
				if strings.HasSuffix(tt.name, "cause") {
					assert.ErrorIs(t, err, own)
				}
			})
		})
	}
}

func TestDeadlineWhileReading(t *testing.T) {
	// The header of a success isn't a success yet.
	synctest.Test(t, func(t *testing.T) {
		c := memory(t, func(r *http.Request) (*http.Response, error) {
			resp := reply(r, 200, "")
			resp.Body = io.NopCloser(readerFunc(func([]byte) (int, error) {
				<-r.Context().Done()
				return 0, r.Context().Err()
			}))
			return resp, nil
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := c.Generate(ctx, testKey, prompt())
		assert.Equal(t, upstream.ClassTimeout.String(), asError(t, err).Class.String())
		_, sent := sentAt(err)
		assert.True(t, sent)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestConnectionReset(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var done sync.WaitGroup
	done.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		// The whole request first: a reset while it is being written surfaces as one of several errors.
		if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			io.Copy(io.Discard, r.Body)
		}
		_ = conn.(*net.TCPConn).SetLinger(0) // close by RST
		conn.Close()
	})
	c, err := New(Config{BaseURL: "http://" + l.Addr().String()})
	require.NoError(t, err)
	_, err = c.Generate(context.Background(), testKey, prompt())
	done.Wait()
	e := asError(t, err)
	assert.Equal(t, upstream.ClassBroken.String(), e.Class.String())
	assert.Equal(t, "CONNECTION_RESET", e.Reason)
	assert.ErrorIs(t, err, syscall.ECONNRESET, "the cause stays matchable")
	assert.Zero(t, e.HTTPStatus)
	_, sent := sentAt(err)
	assert.True(t, sent, "it was read in full before the reset")
	assertNoKey(t, e)
}

func TestConnectionRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	l.Close()
	c, err := New(Config{BaseURL: "http://" + addr})
	require.NoError(t, err)
	_, err = c.CountPrompt(context.Background(), testKey, prompt())
	assert.Equal(t, upstream.ClassServer.String(), asError(t, err).Class.String())
	assert.Equal(t, "CONNECTION_REFUSED", asError(t, err).Reason)
	_, sent := sentAt(err)
	assert.False(t, sent)
}

func TestTransportErrors(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		send   bool // the body was read before it failed
		class  upstream.Class
		reason string
	}{
		{"connecting timed out: nothing was served", os.ErrDeadlineExceeded, false, upstream.ClassServer, upstream.ReasonConnection},
		{"waiting for the answer timed out: it may have been served", os.ErrDeadlineExceeded, true, upstream.ClassTimeout, ""},
		{"no such host", &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}, false, upstream.ClassServer, "DNS"},
		{"closed", io.ErrUnexpectedEOF, true, upstream.ClassBroken, "CONNECTION_CLOSED"},
		{"reset while writing, as the transport reports it", net.ErrClosed, false, upstream.ClassServer, "CONNECTION_CLOSED"},
		{"garbage that echoes the key", fmt.Errorf("malformed HTTP response %q", testKey), true, upstream.ClassBroken, upstream.ReasonConnection},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := memory(t, func(r *http.Request) (*http.Response, error) {
				if tt.send {
					io.Copy(io.Discard, r.Body)
				}
				return nil, tt.err
			})
			_, err := c.Generate(context.Background(), testKey, prompt())
			e := asError(t, err)
			assert.Equal(t, tt.class.String(), e.Class.String())
			assert.Equal(t, tt.reason, e.Reason)
			assert.ErrorIs(t, err, tt.err)
			assertNoKey(t, e)
		})
	}
}

func TestAnswerIsBounded(t *testing.T) {
	endless := func(status int) roundTrip {
		return func(r *http.Request) (*http.Response, error) {
			resp := reply(r, status, "")
			resp.Body = io.NopCloser(readerFunc(func(p []byte) (int, error) {
				for i := range p {
					p[i] = ' '
				}
				return len(p), nil
			}))
			return resp, nil
		}
	}
	c := memory(t, endless(200))
	c.keep = 1 << 20
	_, err := c.Generate(context.Background(), testKey, prompt())
	assert.Equal(t, upstream.ReasonResponseTooLarge, asError(t, err).Reason)
	assert.Equal(t, upstream.ClassBroken.String(), asError(t, err).Class.String())

	_, err = memory(t, endless(429)).Generate(context.Background(), testKey, prompt())
	assert.Equal(t, upstream.ClassBare429.String(), asError(t, err).Class.String(), "an endless error is still an error")
}
