// Package lines looks through the file of a batch while it is uploaded, for the resources that the
// requests in its lines refer to. It holds a string of the file at most, whatever the file's length.
//
// A file is read as JSON of the standard, in which every string is found for certain: a name is a
// reference wherever it is all of a string, and within one whose member may refer to something; so is an ID in a list of these,
// behind whatever else stands there, or of an object. From
// the first byte on that such JSON can't have there, everything counts that looks like a name,
// since another parser may find strings elsewhere. Too much is found rather than too little. What
// no JSON can be is unreadable, and needs no reading: images, archives, UTF-16.
//
// Files, from the top down; a file calls only those below it:
//
//   - state.go: where a scanner is, for whoever goes on with the file
//   - scanner.go: a file that passes, in pieces of any size
//   - rule.go: what a provider reads as references
package lines
