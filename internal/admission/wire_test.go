package admission

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission/ticket"
)

// Tickets are in callers' hands during a rollout and a rollback: they are as the
// release 4bd3115 made them.
func TestTicketsAreThoseOfOlderBuilds(t *testing.T) {
	const old = "AQAAAAEAAAAHAAAAAAAAACoAAAGh7lZeAAABhqAAADA5xFi1IDq14Rp3OTA4fomdwQ"
	given := Ticket{ID: 1<<32 | 7, Hash: 42, Start: 1795000000000, Since: 1794999900000, Tokens: 12345, Caller: "alice"}
	c := &Controller{signer: ticket.Signer{Key: []byte("0123456789abcdef0123456789abcdef")}}
	assert.Equal(t, old, c.signer.Sign(given))
	parsed, err := c.ParseTicket(old, "alice")
	require.NoError(t, err)
	assert.Equal(t, given, *parsed)
	assert.Equal(t, "pdGyBNX3ZhnxmNPRmFVJGg", c.Sign("upload"), "so are the signatures of upload URLs")
}
