package ticket

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"fluxgate.dev/fluxgate/scheduler"
)

// Err means that a ticket is not one of this deployment, or not the
// caller's.
var Err = errors.New("unknown ticket")

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
	version      = 1
	sizeOfFields = 1 + 8 + 8 + 8 + 4 + 4
	sizeOfMAC    = 16
)

// maxSince bounds the seconds between the first refusal and the start.
const maxSince = 1<<32 - 1

// A Signer signs tickets with HMAC-SHA256, truncated to 128 bits.
type Signer struct{ Key []byte }

func (s Signer) mac(fields []byte, caller string) []byte {
	h := hmac.New(sha256.New, s.Key)
	h.Write(fields)
	h.Write([]byte(caller))
	return h.Sum(nil)[:sizeOfMAC]
}

// Sign returns a ticket as it is handed out.
func (s Signer) Sign(t Ticket) string {
	b := make([]byte, 0, sizeOfFields+sizeOfMAC)
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, t.ID)
	b = binary.BigEndian.AppendUint64(b, t.Hash)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Start))
	b = binary.BigEndian.AppendUint32(b, uint32(min(max(0, t.Start-t.Since), maxSince)))
	b = binary.BigEndian.AppendUint32(b, uint32(t.Tokens))
	return base64.RawURLEncoding.EncodeToString(append(b, s.mac(b, t.Caller)...))
}

// Text returns the signature of a text that is no ticket.
func (s Signer) Text(text string) string {
	return base64.RawURLEncoding.EncodeToString(s.mac([]byte(signedText+text), ""))
}

// signedText keeps signed texts apart from tickets, which begin with a version.
const signedText = "text:"

// Decode reads a ticket without its caller, and the parts of which the signature
// consists.
func Decode(text string) (t *Ticket, fields, mac []byte, err error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != sizeOfFields+sizeOfMAC || b[0] != version {
		return nil, nil, nil, fmt.Errorf("%w: malformed", Err)
	}
	t = &Ticket{
		ID:     binary.BigEndian.Uint64(b[1:]),
		Hash:   binary.BigEndian.Uint64(b[9:]),
		Start:  scheduler.Instant(binary.BigEndian.Uint64(b[17:])),
		Tokens: int64(binary.BigEndian.Uint32(b[29:])),
	}
	t.Since = t.Start - scheduler.Instant(binary.BigEndian.Uint32(b[25:]))
	return t, b[:sizeOfFields], b[sizeOfFields:], nil
}

// Holds reports whether the signature of a ticket's fields is this key's for a caller.
func (s Signer) Holds(fields, mac []byte, caller string) bool {
	return hmac.Equal(mac, s.mac(fields, caller))
}
