package admission

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// ErrTicket means that a ticket is not one of this deployment, or not the
// caller's.
var ErrTicket = errors.New("unknown ticket")

// A Ticket is the caller's handle on its refusal or booking. It is signed, so
// that any instance recognises it.
type Ticket struct {
	ID     uint64 // of the booking, or of what was told
	Hash   uint64 // of the request that was refused
	Start  scheduler.Instant
	Since  scheduler.Instant // when the caller was first told to wait
	Tokens int64             // what the request was counted to weigh
	Caller string            // not in the ticket, but in its signature
}

const (
	ticketVersion = 1
	ticketFields  = 1 + 8 + 8 + 8 + 4 + 4
	ticketMAC     = 16
)

// maxSince bounds the seconds between the first refusal and the start.
const maxSince = 1<<32 - 1

// A signer signs tickets with HMAC-SHA256, truncated to 128 bits.
type signer struct{ key []byte }

func (s signer) mac(fields []byte, caller string) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write(fields)
	h.Write([]byte(caller))
	return h.Sum(nil)[:ticketMAC]
}

func (s signer) sign(t Ticket) string {
	b := make([]byte, 0, ticketFields+ticketMAC)
	b = append(b, ticketVersion)
	b = binary.BigEndian.AppendUint64(b, t.ID)
	b = binary.BigEndian.AppendUint64(b, t.Hash)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Start))
	b = binary.BigEndian.AppendUint32(b, uint32(min(max(0, t.Start-t.Since), maxSince)))
	b = binary.BigEndian.AppendUint32(b, uint32(t.Tokens))
	return base64.RawURLEncoding.EncodeToString(append(b, s.mac(b, t.Caller)...))
}

// text returns the signature of a text that is no ticket.
func (s signer) text(text string) string {
	return base64.RawURLEncoding.EncodeToString(s.mac([]byte(signedText+text), ""))
}

// signing returns the signer by the key that the control document has now. It is another
// than at the start of an instance that began on a database which had been emptied, once
// the settings are restored; what that instance signed until then holds there too.
func (c *Controller) signing() signer {
	if latest := c.snapshots.latest.Load(); latest != nil && len(latest.Control.TicketKey) > 0 {
		return signer{latest.Control.TicketKey}
	}
	return c.signer
}

// ParseTicket verifies a ticket that a caller sent back. It fails with
// ErrTicket.
func (c *Controller) ParseTicket(text, caller string) (*Ticket, error) {
	t, fields, mac, err := decodeTicket(text)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(mac, c.signing().mac(fields, caller)) && !hmac.Equal(mac, c.signer.mac(fields, caller)) {
		return nil, fmt.Errorf("%w: its signature doesn't hold for this caller", ErrTicket)
	}
	t.Caller = caller
	return t, nil
}

// ReadTicket reads anybody's ticket, for administrators, who may release every booking.
// Whose it is isn't in it, so its signature can't be verified. It fails with ErrTicket.
func (c *Controller) ReadTicket(text string) (*Ticket, error) {
	t, _, _, err := decodeTicket(text)
	return t, err
}

// decodeTicket reads a ticket without its caller, and the parts of which the signature
// consists.
func decodeTicket(text string) (t *Ticket, fields, mac []byte, err error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != ticketFields+ticketMAC || b[0] != ticketVersion {
		return nil, nil, nil, fmt.Errorf("%w: malformed", ErrTicket)
	}
	t = &Ticket{
		ID:     binary.BigEndian.Uint64(b[1:]),
		Hash:   binary.BigEndian.Uint64(b[9:]),
		Start:  scheduler.Instant(binary.BigEndian.Uint64(b[17:])),
		Tokens: int64(binary.BigEndian.Uint32(b[29:])),
	}
	t.Since = t.Start - scheduler.Instant(binary.BigEndian.Uint32(b[25:]))
	return t, b[:ticketFields], b[ticketFields:], nil
}

// Sign returns a signature of a text that any instance of the deployment can
// verify. It is for what is handed out and comes back, and never for a ticket.
func (c *Controller) Sign(text string) string {
	return c.signing().text(text)
}

// Signed reports whether Sign made the signature of that text.
func (c *Controller) Signed(text, signature string) bool {
	return hmac.Equal([]byte(c.Sign(text)), []byte(signature)) || hmac.Equal([]byte(c.signer.text(text)), []byte(signature))
}

// signedText keeps signed texts apart from tickets, which begin with a version.
const signedText = "text:"

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
