// Package repeated answers what is asked again and again: packed, and not at all where
// nothing has changed.
package repeated
