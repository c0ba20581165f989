// Package archtest holds the repository's shape by tests alone: which package may import which, what has no clock, what
// lies at the root, and how long a file may be. The rules are data in rules_test.go; the tests of the checks themselves
// are in check_test.go.
package archtest
