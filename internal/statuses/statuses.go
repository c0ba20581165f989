package statuses

const (
	// NoCapacity is Groq's, where its flex tier has no capacity (documented).
	NoCapacity = 498
	// ClientClosed is Google's where the client went away: CANCELLED (documented).
	ClientClosed = 499
	// Overloaded is Anthropic's, where it has no capacity: overloaded_error (documented).
	Overloaded = 529
)
