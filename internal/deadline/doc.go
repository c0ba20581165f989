// Package deadline reads from the headers of a request how long its caller waits.
package deadline
