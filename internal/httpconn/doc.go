// Package httpconn does to the connection of a request what a handler can't by its answer
// alone: it bounds how long a body may take, cuts what can't be ended well, and ends with a
// request what can't be trusted to begin another.
package httpconn
