// Package lateness keeps how late recent commits and the holders of bookings were, and says
// how long a booking is to be kept. It is safe for concurrent use and keeps no clock.
//
// Files, from the top down; a file calls only those below it:
//
//   - lateness.go: how late commits and holders were
//   - hold.go: how long a booking is kept for one that comes at any time after its start
package lateness
