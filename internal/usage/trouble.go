package usage

import (
	"sort"
	"time"
)

// mostTroubles bounds how many are kept of a day, and told.
const mostTroubles = 50

// A Trouble is a refusal or a failure of one request. It holds names and numbers, and nothing
// of what was asked.
type Trouble struct {
	At     time.Time `json:"at"`
	ID     string    `json:"id"` // of the request
	Route  string    `json:"route,omitempty"`
	Caller string    `json:"caller,omitempty"`
	Model  string    `json:"model,omitempty"`
	Cause  string    `json:"cause"`          // what stood in the way, or the class of the failure
	Wait   float64   `json:"wait,omitempty"` // seconds that it was told; 0: it failed
}

// newest returns the last of a list, in the order of their times.
func newest(all []Trouble) []Trouble {
	sort.SliceStable(all, func(i, j int) bool { return all[i].At.Before(all[j].At) })
	return all[max(0, len(all)-mostTroubles):]
}
