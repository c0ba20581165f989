// Package caches is the cached contents of the simulated Gemini: parts of prompts that are sent in
// advance.
//
// # What is modelled
//
// They can be created, listed, read, deleted, and given a new ttl or expireTime. They hold at least
// 1024 tokens and serve requests for the model they were made for (or an alias of it), which then
// may not bring a system instruction, tools or a toolConfig. Their tokens count as input tokens of
// each request, TPM included.
//
// A cached content belongs to a project. Another project's key gets the 403 that it would get if it
// didn't exist, whether it asks for it by name or mentions it in a request.
//
// Quota for the storage of cached contents is not modelled.
package caches
