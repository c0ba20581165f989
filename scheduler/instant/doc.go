// Package instant has points in time in whole milliseconds, Pacific days, and rounding
// that never makes an interval end early. It keeps no clock. Package scheduler has its
// types.
//
// Files, from the top down; a file calls only those below it:
//
//   - instant.go: instants and days
package instant
