package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore"
)

const (
	projects = 8
	model    = "gemini-2.5-flash"
)

// A world is a simulated Gemini and the settings of those who use it.
type world struct {
	sim    *geminisim.Server
	limits geminisim.Limits
	env    []string
}

// firstTurn is when the first of the tests that take turns begins.
var firstTurn = sync.OnceValue(time.Now)

// turn has a test begin so long after the first. The callers of each come in two
// bursts, one for each minute that they see, and no two bursts should meet on a
// machine of two processors.
func turn(after time.Duration) { time.Sleep(time.Until(firstTurn().Add(after))) }

// newSimulation makes a simulator with eight projects that have those limits.
func newSimulation(limits geminisim.Limits) *world {
	cfg := geminisim.Config{
		Limits:  map[string]geminisim.Limits{model: limits},
		Latency: 50 * time.Millisecond, Jitter: 100 * time.Millisecond,
	}
	w := &world{limits: limits}
	for i := range projects {
		key := fmt.Sprintf("end-to-end-key-%d", i+1)
		cfg.Keys = append(cfg.Keys, geminisim.Key{Value: key, Project: project(i)})
		w.env = append(w.env, fmt.Sprintf("GEMINI_KEY_%d=%s", i+1, key), fmt.Sprintf("GEMINI_PROJECT_%d=%s", i+1, project(i)))
	}
	w.sim = geminisim.New(cfg)
	w.env = append(w.env, "FLUXGATE_CHAIN="+model,
		fmt.Sprintf(`FLUXGATE_LIMITS={%q:{"rpm":%d,"tpm":%d,"rpd":%d}}`, model, limits.RPM, limits.TPM, limits.RPD))
	return w
}

// newWorld serves such a simulator.
func newWorld(t *testing.T, limits geminisim.Limits) *world {
	t.Helper()
	w := newSimulation(limits)
	upstream := httptest.NewServer(w.sim)
	t.Cleanup(upstream.Close)
	w.env = append(w.env, "GOOGLE_GEMINI_BASE_URL="+upstream.URL,
		// Callers, instances, database and simulator share two processors with
		// whatever tests run beside these, so a request may arrive seconds after
		// it was sent. That is what the skew is for.
		"FLUXGATE_SKEW=5s")
	return w
}

func project(i int) string { return fmt.Sprintf("project-%d", i+1) }

// instance starts one instance of Fluxgate over the database of the client and
// returns its URL.
func (w *world) instance(t *testing.T, client *firestore.Client) string {
	t.Helper()
	cfg, err := config.Load(t.Context(), w.env)
	require.NoError(t, err)
	store := gcpfirestore.New(client, "fluxgate", storage.Options{})
	a, err := app.Start(t.Context(), cfg, app.Options{Logger: slog.New(slog.DiscardHandler), Store: store})
	require.NoError(t, err)
	server := httptest.NewServer(stamped(a))
	t.Cleanup(func() {
		server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, a.Close(ctx))
		require.NoError(t, store.Close(ctx))
	})
	return server.URL
}

// The headers that stamped adds to every answer.
const (
	arrivedHeader = "Test-Arrived" // when the request reached the instance
	leftHeader    = "Test-Left"    // when its answer left
)

// stamped notes when the requests of a handler arrive and their answers leave:
// whether somebody is in time is a matter of these, and not of how busy the
// machine is with the callers.
func stamped(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(arrivedHeader, stamp())
		h.ServeHTTP(stamper{w}, r)
	})
}

type stamper struct{ http.ResponseWriter }

func (s stamper) WriteHeader(status int) {
	s.Header().Set(leftHeader, stamp())
	s.ResponseWriter.WriteHeader(status)
}

func (s stamper) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func stamp() string { return strconv.FormatInt(int64(time.Since(began)), 10) }

// began is when stamps count from, by the monotonic clock.
var began = time.Now()

// stampOf reads a stamp.
func stampOf(t *testing.T, resp *http.Response, name string) time.Duration {
	n, err := strconv.ParseInt(resp.Header.Get(name), 10, 64)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return time.Duration(n)
}

// inTime is how late a holder may arrive that has to be let in. A second of the
// hold is for the instance, which reads its clock after it has read the request.
const inTime = scheduler.DefaultHold - time.Second

// requireWithinLimits asserts on the simulator's own log that no limit was ever
// exceeded, and that it never had to say 429.
func (w *world) requireWithinLimits(t *testing.T) {
	t.Helper()
	s := w.sim.Stats()
	require.Zero(t, s.RefusedRPM+s.RefusedTPM+s.RefusedRPD, "upstream 429s: %+v", s)
	for i := range projects {
		requests, tokens := w.sim.Peak(project(i), model)
		require.LessOrEqual(t, requests, w.limits.RPM, project(i))
		require.LessOrEqual(t, tokens, w.limits.TPM, project(i))
	}
}

// maxOutages bounds how often a caller is told that the store can't be reached.
const maxOutages = 3

// A caller sends one request until it is answered, to one instance or another.
type caller struct {
	urls   []string
	body   []byte
	turn   func(try int) int // which instance takes a try
	ticket bool              // send the ticket back; else only the body
	book   bool              // ask for a booking when refused first

	waits, booked, claimed, late, turnedAway, outages int
	tickets                                           []string // of bookings
}

// run obeys every 429 to the millisecond. A booking that is not honoured when
// its holder is back in time counts as turned away.
func (c *caller) run(t *testing.T, client *http.Client, deadline time.Time) bool {
	ticket, held := "", false
	var due time.Duration // when the booking is
	for try := 0; ; try++ {
		req, err := http.NewRequest(http.MethodPost, c.urls[c.turn(try)]+"/generate", bytes.NewReader(c.body))
		if err != nil {
			t.Error(err)
			return false
		}
		if c.ticket && ticket != "" {
			req.Header.Set("X-Fluxgate-Ticket", ticket)
		}
		if c.book {
			req.Header.Set("X-Fluxgate-Book", "true")
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return false
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Error(err)
			return false
		}
		switch resp.StatusCode {
		case http.StatusOK:
			if held {
				c.claimed++
			}
			return true
		case http.StatusTooManyRequests:
		case http.StatusServiceUnavailable:
			// The store was too slow on this machine: nothing was sent, and the
			// answer says when to come back. A slot that was held may be over then.
			c.outages++
			if held = false; c.outages > maxOutages {
				t.Errorf("status %d, again and again: %s", resp.StatusCode, text)
				return false
			}
			seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
			if err != nil {
				t.Errorf("Retry-After: %v", err)
				return false
			}
			time.Sleep(time.Duration(seconds) * time.Second)
			continue
		default:
			t.Errorf("status %d: %s", resp.StatusCode, text)
			return false
		}
		millis, err := strconv.Atoi(resp.Header.Get("Retry-After-Ms"))
		if err != nil {
			t.Errorf("Retry-After-Ms: %v", err)
			return false
		}
		if late := stampOf(t, resp, arrivedHeader) - due; held && late > inTime {
			c.late++
		} else if held {
			c.turnedAway++
			t.Logf("a holder was turned away who came %v after its time: booked=%s, %d ms, try %d, ticket=%t",
				late, resp.Header.Get("X-Fluxgate-Booked"), millis, try, c.ticket)
		}
		c.waits++
		ticket, held = resp.Header.Get("X-Fluxgate-Ticket"), resp.Header.Get("X-Fluxgate-Booked") == "true"
		if held {
			c.booked++
			c.tickets = append(c.tickets, ticket)
		}
		wait := time.Duration(millis) * time.Millisecond
		due = stampOf(t, resp, leftHeader) + wait
		if time.Now().Add(wait).After(deadline) {
			return false
		}
		time.Sleep(wait)
	}
}

// prompt returns a body of its own for request n.
func prompt(t *testing.T, n int) []byte {
	body, err := json.Marshal(map[string]any{"prompt": fmt.Sprintf("Request number %d, please translate.", n)})
	require.NoError(t, err)
	return body
}

// together runs n callers at a time.
func together(n int, jobs []func()) {
	places := make(chan struct{}, n)
	var wg sync.WaitGroup
	for _, job := range jobs {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			job()
		})
	}
	wg.Wait()
}

// An operations counts what goes over the wire to Firestore.
type operations struct{ reads, writes atomic.Int64 }

// client returns a Firestore client of the test whose operations are counted.
func (o *operations) client(t *testing.T) *firestore.Client {
	return emulatortest.Client(t,
		option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if method == "/google.firestore.v1.Firestore/Commit" {
				o.writes.Add(1)
			}
			return invoke(ctx, method, req, reply, cc, opts...)
		})),
		option.WithGRPCDialOption(grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, stream grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			s, err := stream(ctx, desc, cc, method, opts...)
			if method == "/google.firestore.v1.Firestore/BatchGetDocuments" && err == nil {
				return &countedStream{s, o}, nil
			}
			return s, err
		})))
}

// A countedStream counts the documents that a read returns.
type countedStream struct {
	grpc.ClientStream
	o *operations
}

func (s *countedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil {
		s.o.reads.Add(1)
	}
	return err
}
