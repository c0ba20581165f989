// Package requestid names requests. Every answer carries the name of its request
// in [Header], and so do the lines that are logged of it, its trace, error bodies
// of our own, and the list of the last failures: whoever has one finds the others.
//
// An ID is made once, where a request comes in, and is random. What a caller calls its
// request is ignored: it could be anything, of any length, twice or a secret, and would end in
// logs that others read. A caller that wants to find its own requests sends a
// traceparent, which is in the same lines, or keeps the ID that it was answered.
package requestid
