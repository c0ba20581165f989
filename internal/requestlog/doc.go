// Package requestlog carries the logger of a request in its context, so that
// whatever is done for the request says in its lines whose it is.
package requestlog
