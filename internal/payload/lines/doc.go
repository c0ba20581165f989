// Package lines looks through the file of a batch while it is uploaded, for the resources that the
// requests in its lines refer to. It holds a string of the file at most, whatever the file's length.
//
// A file is read as JSON of the standard, in which every string is found for certain. A string that
// is a whole name is a reference, whatever its member. If the member may refer to something, a name
// anywhere in its string is one too. So is an ID that is the value of such a member, an entry of its
// list, or the id of an object. From the first byte on that JSON of the standard can't have, everything
// counts that looks like a name, since another parser may find strings elsewhere. Too much is found
// rather than too little. What can't be JSON (images, archives, UTF-16) is unreadable, and isn't read.
//
// Files, from the top down; a file calls only those below it:
//
//   - state.go: where a scanner is, for whoever goes on with the file
//   - scanner.go: a file that passes, in pieces of any size
//   - rule.go: what a provider reads as references
package lines
