// Package passing says what of a request and of an answer passes between callers and
// upstream: paths, headers and parameters of the query. Everything else stays here:
// credentials, cookies, hop-by-hop headers, what proxies add, and Fluxgate's own. It is
// pure.
//
// Files, from the top down; a file calls only those below it:
//
//   - unknown.go: which paths may pass that no route knows
//   - request.go: what a request asks for, by its method and its query
//   - upload.go: whether a request starts an upload
//   - path.go: other spellings of a route's path, and the version that goes upstream
//   - headers.go: headers and queries, and the types of answers
package passing
