package scheduler

import "fluxgate.dev/fluxgate/scheduler/calendar"

// What package calendar keeps, by the names that it has there.
type (
	Calendar    = calendar.Calendar
	Reservation = calendar.Reservation
	Folded      = calendar.Folded
	Booking     = calendar.Booking
	DayCount    = calendar.DayCount
	Block       = calendar.Block
	Unsure      = calendar.Unsure
	Debt        = calendar.Debt
	Demand      = calendar.Demand
	Terms       = calendar.Terms
)

// The bounds of a calendar and what it can't take, as package calendar explains them.
const (
	MaxExact, MaxOpen = calendar.MaxExact, calendar.MaxOpen
	MaxCommit         = calendar.MaxCommit
	Never             = calendar.Never
)

// everyone as a rank bound means that all bookings count.
const everyone = calendar.Everyone
