package admission

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"fmt"

	"fluxgate.dev/fluxgate/internal/admission/ticket"
	"fluxgate.dev/fluxgate/storage"
)

// Ticket is [ticket.Ticket].
type Ticket = ticket.Ticket

// ErrTicket is [ticket.Err].
var ErrTicket = ticket.Err

// signing returns the signer by the key that the control document has now. It is another
// than at the start of an instance that began on a database which had been emptied, once
// the settings are restored; what that instance signed until then holds there too.
func (c *Controller) signing() ticket.Signer {
	if latest := c.snapshots.latest.Load(); latest != nil && len(latest.Control.TicketKey) > 0 {
		return ticket.Signer{Key: latest.Control.TicketKey}
	}
	return c.signer
}

// ParseTicket verifies a ticket that a caller sent back. It fails with
// ErrTicket.
func (c *Controller) ParseTicket(text, caller string) (*Ticket, error) {
	t, fields, mac, err := ticket.Decode(text)
	if err != nil {
		return nil, err
	}
	if !c.signing().Holds(fields, mac, caller) && !c.signer.Holds(fields, mac, caller) {
		return nil, fmt.Errorf("%w: its signature doesn't hold for this caller", ErrTicket)
	}
	t.Caller = caller
	return t, nil
}

// ReadTicket reads anybody's ticket, for administrators, who may release every booking.
// Whose it is isn't in it, so its signature can't be verified. It fails with ErrTicket.
func (c *Controller) ReadTicket(text string) (*Ticket, error) {
	t, _, _, err := ticket.Decode(text)
	return t, err
}

// Sign returns a signature of a text that any instance of the deployment can
// verify. It is for what is handed out and comes back, and never for a ticket.
func (c *Controller) Sign(text string) string {
	return c.signing().Text(text)
}

// Signed reports whether Sign made the signature of that text.
func (c *Controller) Signed(text, signature string) bool {
	return hmac.Equal([]byte(c.Sign(text)), []byte(signature)) || hmac.Equal([]byte(c.signer.Text(text)), []byte(signature))
}

// ticketKey returns the control document with the deployment's signing key,
// which is made by the first instance that needs it.
func ticketKey(ctx context.Context, store storage.Store) (storage.Control, error) {
	control, err := store.Control(ctx)
	if err != nil || len(control.TicketKey) > 0 {
		return control, err
	}
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return control, err
	}
	return store.UpdateControl(ctx, func(c *storage.Control) error {
		if c.Epoch == 0 {
			c.Incarnation = rand.Text() // there was none, or it was lost
		}
		if len(c.TicketKey) == 0 {
			c.TicketKey = fresh
		}
		return nil
	})
}
