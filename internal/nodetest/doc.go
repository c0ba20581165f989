// Package nodetest runs suites of node's own test runner from Go tests. A package
// that uses it has its JavaScript, with a lock file, in its folder js.
//
// Without node, or whatever else a suite needs, a test is skipped, and says so;
// with FLUXGATE_REQUIRE_CLIENTS=1, as in CI, it fails instead. With -short it is
// always skipped.
package nodetest
