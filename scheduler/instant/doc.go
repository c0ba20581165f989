// Package instant has points in time in whole milliseconds, Pacific days and what is
// counted on them, and rounding that never makes an interval end early. It keeps no clock. Package scheduler has its
// types.
//
// Files, from the top down; a file calls only those below it:
//
//   - count.go: what started on a day
//   - instant.go: instants and days
package instant
