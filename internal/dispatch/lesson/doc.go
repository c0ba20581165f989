// Package lesson has the table of lessons: what upstream said, whom it concerns, for how
// long, what becomes of the request, and what its caller is told. It is pure.
//
// Files, from the top down; a file calls only those below it:
//
//   - features.go: what is recorded of features with quotas of their own
//   - lesson.go: the table, and whom and how long a refusal concerns
package lesson
