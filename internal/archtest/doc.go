// Package archtest holds the repository's shape by tests alone: which package may import which, what has no clock, what
// lies at the root, how long a file and a package may be, that nothing is exported for tests alone, and that calls between
// the files of a package run downwards in the order that its doc.go states. The rules are data in rules_test.go. Imports,
// clock, root and length are checked in check_test.go, the order of files in order_test.go, exported names in
// exported_test.go, what callers are told in messages_test.go, and what checks them is itself tested in the files named
// self_test.
//
// TestFileOrder prints how many calls between files there are in every package, and how many of them run backwards:
//
//	go test -v -run TestFileOrder ./internal/archtest
package archtest
