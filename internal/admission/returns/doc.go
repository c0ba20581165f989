// Package returns keeps in mind which of the requests that were told a time came back for
// it, and how late, so that a slot whose caller isn't likely to come, or not any more, is
// somebody else's.
package returns
