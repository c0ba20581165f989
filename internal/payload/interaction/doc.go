// Package interaction reads requests to the Interactions API.
package interaction
