// Package openailist puts lists together in OpenAI's format: pages behind the ID that a
// client has seen last, and what OpenAI's clients look for in Anthropic's models.
package openailist
