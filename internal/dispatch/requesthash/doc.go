// Package requesthash knows a request that returns by its caller, route and body.
package requesthash
