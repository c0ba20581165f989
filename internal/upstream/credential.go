package upstream

import "strings"

// withoutKey begins what stands in a key's place for a project that is called without
// one. No key has a blank in it.
const withoutKey = "oauth "

// WithoutKey returns what stands in a key's place for a project that is called by this
// program's own identity. It is no secret.
func WithoutKey(project string) string { return withoutKey + project }

// ProjectOf returns the project that is called without a key; ok is false for a key.
func ProjectOf(key string) (project string, ok bool) { return strings.CutPrefix(key, withoutKey) }
