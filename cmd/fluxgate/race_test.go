//go:build race

package main

// raced is set where the race detector multiplies what a process needs.
const raced = true
