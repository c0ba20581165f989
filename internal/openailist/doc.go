// Package openailist puts lists together in OpenAI's format: pages behind the ID that a
// client has seen last.
package openailist
