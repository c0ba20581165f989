// Package nearest finds the route that somebody may have meant who asked for a path
// where nothing is, and the word that somebody may have meant who wrote another one.
package nearest
