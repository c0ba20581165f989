// Package faults has the failures that a test orders of the simulated Gemini, and how each is
// answered: errors of the service's own, refusals that no limit explains, connections that are
// reset or say nothing, and streams that end in an error, stall, or are reset half-way.
//
// Their bodies are those that the real service was seen to send. Whether it charges a request that
// failed is not established; each failure says what is done here.
package faults
