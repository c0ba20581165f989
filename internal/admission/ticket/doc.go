// Package ticket has the handle that a caller gets with its wait or booking, and signs it.
// It is pure but for the key that it is given.
//
// Files, from the top down; a file calls only those below it:
//
//   - ticket.go: Ticket, and Signer, which signs it
//   - id.go: the IDs of reservations and bookings, and whose they are
package ticket
