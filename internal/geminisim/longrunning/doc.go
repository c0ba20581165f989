// Package longrunning is the part of the simulated Gemini whose work goes on after the
// answer: batches, videos, and file search stores. It knows no HTTP, no key and no quota;
// package geminisim finds out whose a request is, and passes it on.
//
// What is modelled, and where it is from:
//
//   - Names, states, members and lists of batches, operations, stores and documents are
//     those that Google's SDK for Go reads and writes (genai v1.77.0: batches.go,
//     operations.go, filesearchstores.go, documents.go); of what they don't read, the
//     examples of Google's documentation.
//   - A batch of requests in the body is answered in the body, one from a file by a file
//     (documented), in which each line has the key of its request (documented). The file
//     is files/batch-…, and generated (documented by its example).
//   - A result has the usageMetadata of its answer (documented by the response's type), one of an
//     embedding its tokenCount (read by the SDK, as a string).
//   - At most 100 batches may be under way in a project (documented); the next is refused
//     with the 429 that has no details. Its words are a guess.
//   - A batch is pending for a second and runs for another; a video and an import take two
//     and one. The real ones take minutes to a day.
//   - A video is a file (documented), named by an URL with :download?alt=media (captured).
//     What is in it is its prompt.
//   - A store searches nothing: a request that names one is answered with all its
//     documents as the sources, by the members of grounding that the SDK reads. A store or
//     batch of another project isn't there: 404 for batches, 403 for stores. Both are
//     guesses.
//   - Deleting a store that has documents wants force=true (documented).
//
// Files, from the top down; a file calls only those below it:
//
//   - service.go: which request is for what
//   - batches.go: batches
//   - videos.go: operations that make videos
//   - stores.go: file search stores, their documents and uploads
//   - answer.go: answers, errors, lists and bodies
package longrunning
