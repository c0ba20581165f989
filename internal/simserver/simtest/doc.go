// Package simtest makes and sends requests to simulated servers, for tests.
package simtest
