package remote

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A wait is one of Fluxgate's own by its header, never by its status.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header []string
		wait   time.Duration // 0: not its own
	}{
		"exact":                         {429, []string{"X-Fluxgate-Retry-Ms", "90123", "Retry-After-Ms", "59900", "Retry-After", "91"}, 90123 * time.Millisecond},
		"of a server that is older":     {429, []string{"X-Fluxgate-Ticket", "t", "Retry-After-Ms", "45000"}, 45 * time.Second},
		"of the caller's own limit":     {429, []string{"X-Fluxgate-Retry-Ms", "1000", "X-Fluxgate-Booked", "false"}, time.Second},
		"no room for the body":          {503, []string{"X-Fluxgate-Retry-Ms", "5000"}, 5 * time.Second},
		"Gemini's, passed on":           {429, []string{"Retry-After", "30", "Retry-After-Ms", "30000"}, 0},
		"a 503 of Gemini's":             {503, []string{"Retry-After", "30"}, 0},
		"a proxy's":                     {429, nil, 0},
		"another status with a ticket":  {400, []string{"X-Fluxgate-Ticket", "t", "X-Fluxgate-Retry-Ms", "5"}, 0},
		"an answer":                     {200, []string{"X-Fluxgate-Retry-Ms", "5"}, 0},
		"nonsense":                      {429, []string{"X-Fluxgate-Retry-Ms", "soon"}, 0},
		"its own that says nonsense":    {429, []string{"X-Fluxgate-Ticket", "t", "Retry-After", "soon"}, 0},
		"now, but not in a busy loop":   {429, []string{"X-Fluxgate-Retry-Ms", "1"}, 100 * time.Millisecond},
		"a ticket that is sent with it": {503, []string{"X-Fluxgate-Ticket", "t", "Retry-After", "3"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			for i := 0; i < len(c.header); i += 2 {
				h.Set(c.header[i], c.header[i+1])
			}
			wait, own := Refused(c.status, h, time.Now())
			assert.Equal(t, c.wait > 0, own)
			assert.Equal(t, c.wait, wait)
		})
	}
}

func TestTurn(t *testing.T) {
	var turn Turn
	asks := func() http.Header { h := http.Header{}; turn.Ask(h); return h }
	assert.Equal(t, http.Header{"X-Fluxgate-Book": {"true"}, "X-Fluxgate-Punctual": {"true"}}, asks())
	turn.Heard(http.Header{"X-Fluxgate-Ticket": {"a"}, "X-Fluxgate-Booked": {"false"}})
	assert.False(t, turn.Booked)
	turn.Heard(http.Header{"X-Fluxgate-Ticket": {"b"}, "X-Fluxgate-Booked": {"true"}})
	turn.Heard(http.Header{}) // a 503 in between: the slot is kept all the same
	assert.Equal(t, Turn{Ticket: "b", Booked: true}, turn)
	assert.Equal(t, "b", asks().Get("X-Fluxgate-Ticket"))
}
