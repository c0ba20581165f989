// Package functiontest tests the function as the platform runs it: the package
// at the module's root, registered with functions-framework and served in a
// process of its own. The tests are here because function.go has to be the only
// Go file at the root.
package functiontest
