// Package proxies reads what proxies on the way say of a request: how the caller reaches
// this server, for URLs of our own ([OutsideOf]), and whether the request comes from
// another machine ([Elsewhere], [Loopback]), which matters where no token is asked for.
//
// Whoever sends a request can say anything in these headers. So they never let anybody
// in: they make an URL in the answer to the very request that had them, and they keep
// requests out.
//
// Files, from the top down; a file calls only those below it:
//
//   - from.go: whether a request comes from this machine
//   - outside.go: how the caller reaches this server
package proxies
