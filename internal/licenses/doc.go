// Package licenses says what the modules are licensed under that a program is linked
// with: for the text that cmd/image puts beside the program, and for the test that only
// those are used whose terms a program under MIT can keep.
//
// Files, from the top down; a file calls only those below it:
//
//   - licenses.go: the modules of a program, and their licences by their texts
package licenses
