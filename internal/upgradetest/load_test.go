package upgradetest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An answer is what a caller was told.
type answer struct {
	status int
	wait   time.Duration // of a 429
	booked bool
	ticket string
	body   string
}

var client = &http.Client{
	Timeout:   time.Minute,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableKeepAlives: true},
}

// ask sends a prompt to a model; with book, for a booking if there is no room.
func ask(ctx context.Context, url, model, prompt, ticket string, book bool) (answer, error) {
	body := fmt.Sprintf(`{"contents":[{"parts":[{"text":%q}]}]}`, prompt)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1beta/models/"+model+":generateContent", strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if ticket != "" {
		req.Header.Set("X-Fluxgate-Ticket", ticket)
	}
	if book {
		req.Header.Set("X-Fluxgate-Book", "true")
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: resp.StatusCode, body: string(text), ticket: resp.Header.Get("X-Fluxgate-Ticket"), booked: resp.Header.Get("X-Fluxgate-Booked") == "true"}
	if a.status == http.StatusTooManyRequests {
		millis, err := strconv.Atoi(resp.Header.Get("Retry-After-Ms"))
		if err != nil {
			return a, fmt.Errorf("Retry-After-Ms: %w", err)
		}
		a.wait = time.Duration(millis) * time.Millisecond
	}
	return a, nil
}

// A balancer says which instances take requests.
type balancer struct {
	mu   sync.RWMutex
	list []*instance
	used map[*instance]*sync.WaitGroup
}

func newBalancer() *balancer { return &balancer{used: make(map[*instance]*sync.WaitGroup)} }

func (b *balancer) add(i *instance) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list, b.used[i] = append(b.list, i), new(sync.WaitGroup)
}

// remove has no further request go to an instance, and waits for those that are
// on their way.
func (b *balancer) remove(i *instance) {
	b.mu.Lock()
	for n, x := range b.list {
		if x == i {
			b.list = append(b.list[:n:n], b.list[n+1:]...)
			break
		}
	}
	b.mu.Unlock()
	b.used[i].Wait()
}

// pick returns one of the instances, which is used until done is called.
func (b *balancer) pick() (i *instance, done func()) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	i = b.list[rand.IntN(len(b.list))]
	b.used[i].Add(1)
	return i, b.used[i].Done
}

// A load is callers that send one request after another, whatever they are told.
type load struct {
	stop             context.CancelFunc
	wg               sync.WaitGroup
	answered, waited atomic.Int64
}

func startLoad(t *testing.T, b *balancer, callers int, pause time.Duration) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{stop: cancel}
	t.Cleanup(l.end)
	for c := range callers {
		l.wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				i, done := b.pick()
				a, err := ask(context.WithoutCancel(ctx), i.url, busy, fmt.Sprintf("Caller %d, request %d.", c, n), "", false)
				done()
				switch {
				case err != nil:
					t.Errorf("request failed: %v", err)
				case a.status == http.StatusOK:
					l.answered.Add(1)
				case a.status == http.StatusTooManyRequests:
					l.waited.Add(1)
				default:
					t.Errorf("status %d: %s", a.status, a.body)
				}
				select {
				case <-time.After(pause):
				case <-ctx.Done():
				}
			}
		})
	}
	return l
}

func (l *load) end() {
	l.stop()
	l.wg.Wait()
}

// A booking is a slot that is kept.
type booking struct {
	model, prompt, ticket string
	due                   time.Time
}

// sight is how long it takes until an instance that is asked sees what another one
// wrote: no document is read twice a second.
const sight = 1500 * time.Millisecond

// book books as many slots of a model as there are until its next minute, and asks
// for one more at each of the others, which have to know of all of them.
func book(t *testing.T, model string, at *instance, others ...*instance) []booking {
	t.Helper()
	var all []booking
	for n := range int(limits[model].RPM) * projects {
		prompt := fmt.Sprintf("Booking %d of %s.", n, model)
		a, err := ask(t.Context(), at.url, model, prompt, "", true)
		require.NoError(t, err)
		require.Equal(t, http.StatusTooManyRequests, a.status, a.body)
		require.True(t, a.booked)
		require.Less(t, a.wait, 30*time.Second)
		all = append(all, booking{model, prompt, a.ticket, time.Now().Add(a.wait)})
	}
	time.Sleep(sight)
	for _, other := range others {
		a, err := ask(t.Context(), other.url, model, "One more of "+model, "", false)
		require.NoError(t, err)
		require.Equal(t, http.StatusTooManyRequests, a.status, a.body)
		require.Greater(t, a.wait, 30*time.Second, "there is no room beside the bookings")
	}
	return all
}

// claim returns to every slot in its time, to an instance of the other build: half
// of the callers with their tickets, half with nothing but the same request.
func claim(t *testing.T, bookings []booking, at *instance) {
	t.Helper()
	var wg sync.WaitGroup
	for n, b := range bookings {
		wg.Go(func() {
			if n%2 == 1 {
				b.ticket = ""
			}
			time.Sleep(time.Until(b.due))
			a, err := ask(t.Context(), at.url, b.model, b.prompt, b.ticket, false)
			if err != nil {
				t.Errorf("claim: %v", err)
			} else if a.status != http.StatusOK {
				t.Errorf("a booking isn't kept: status %d, wait %s, with a ticket: %t: %s", a.status, a.wait, b.ticket != "", a.body)
			}
		})
	}
	wg.Wait()
}
