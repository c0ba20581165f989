// Package learned keeps the limits that upstream's 429s named or that its answers proved,
// and the probe that tests one of which it isn't known whether it holds. Package scheduler
// has its types, and tells when a probe is sent.
//
// Files, from the top down; a file calls only those below it:
//
//   - learned.go: learned limits, and the probe
//   - cause.go: what stands between a request and its start
package learned
