// Package dotenv adds what a .env file sets to the environment of the process, whatever the
// encoding in which somebody's editor has saved it.
//
// Files, from the top down; a file calls only those below it:
//
//   - dotenv.go: Load reads the file and sets what isn't set
package dotenv
