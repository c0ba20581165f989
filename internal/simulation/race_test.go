//go:build race

package simulation

// raced is set where the race detector makes everything several times as slow.
const raced = true
