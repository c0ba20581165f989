// Command function serves the function on this machine as it is deployed: the
// package at the module's root under functions-framework, in the few lines that
// the framework documents for that. It listens on 127.0.0.1 and nowhere else.
//
//	FUNCTION_TARGET=Fluxgate PORT=8080 go run ./cmd/function
//
// Without FUNCTION_TARGET that is the function: the framework would register every function at a
// path of its own instead, and answer 404 at all others.
//
// Settings are read from the environment and from .env, which need not exist. A
// deployed function has the buildpack's own main instead of this one.
package main
