// Package origins knows how origins of web pages and names of hosts are written in settings.
//
// Files, from the top down; a file calls only those below it:
//
//   - origins.go: List and Hosts
package origins
