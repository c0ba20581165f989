// Package lasting keeps the place of a request that goes on, as a session does, among those
// that are so many at a time. It counts until it is settled, and no longer than its calendar
// says unless it is extended: an instance that is gone extends nothing, so what it had is
// free again after that.
package lasting
