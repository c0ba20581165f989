// Package turns reads from a body by what a conversation is recognised: how it begins, and the
// thought signatures in it.
package turns
