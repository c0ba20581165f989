// Package routes is the table of what of upstream's APIs is served: one [Route] a method,
// with where its model is named, what it counts on, which resources it names and makes,
// how its body and its answer pass, and how its errors look. It is values and what is
// computed of them; it has no request in hand and no state.
//
// Everything that differs by route is made from it: which handler serves a request and
// what goes upstream (package server), which spellings of a path mean one (package
// passing), whose the things are that an answer tells of (dispatch), what a 404 says, and
// the table in .github/compatibility.md, to which a test holds it. Another test reads the
// sources of Google's SDKs for Go and JavaScript and holds the table to every method that
// they can call.
//
// # A new route
//
// One that fits what there is, is a line in table.go. What belongs to a project beyond the
// request that made it needs its kind in package resources as well, and in package payload
// if bodies name it. One that is known and not served has an Unserved text: it is answered
// with 501 that says so, in the format of its API.
//
// Files, from the top down; a file calls only those below it:
//
//   - shape.go: rows by the shape of their paths, as a router needs them
//   - table.go: the rows
//   - route.go: what a row says
package routes
