// Package returns keeps in mind which of the requests that were told a time came back for
// it, so that a slot whose caller isn't likely to come is somebody else's.
package returns
