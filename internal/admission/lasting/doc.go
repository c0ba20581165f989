// Package lasting keeps the place of a request that goes on, as a session does, where a limit says
// how many may go on at a time. The request counts until it is settled, and no longer than its
// calendar says unless it is extended. An instance that is gone extends nothing, so the places that
// it held are free again after that.
package lasting
