// Package files is the files of the simulated Gemini: how they are uploaded, listed, read and deleted,
// and found again where a request mentions them. It knows no key and no quota.
//
// # What is modelled
//
// POST /upload/v1beta/files takes a file in one request, with X-Goog-Upload-Protocol multipart or
// raw, or opens a resumable upload: the answer's X-Goog-Upload-URL and X-Goog-Upload-Control-URL
// are where its chunks go, by the commands upload, finalize, query and cancel. That URL is on the
// host that was asked, and keeps the query of the request that opened it, a key included. It is a
// credential of its own; a key beside it has to be of the same project. The upload backend's own
// errors are plain text. A chunk that isn't the last has to end at a multiple of
// [Config.Granularity]; of one whose connection breaks, the bytes that arrived are kept. Documents
// of file search stores are uploaded likewise.
//
// GET files lists the newest first. A file lives for 48 hours. Its size, its hash and its first
// mebibyte are kept. What was generated can be downloaded, in ranges, below /download/ too (the
// SDKs' sources), and what was uploaded can't (documented).
//
// A file belongs to a project. Another project's key gets the 403 that it would get if it didn't
// exist, whether it asks for it by name or mentions it in a request: a fileData whose fileUri is
// files/ID or ends in /v1beta/files/ID on any host. Other URIs aren't looked at.
//
// # What is not modelled
//
//   - Whether the real service accepts an upload's chunk with another project's key, or takes two
//     files' chosen names for the same across projects. Here: no, and yes (409).
//   - Files in the state PROCESSING, their registration, limits on their number and total size, and
//     the end of abandoned uploads.
//
// Files, from the top down; a file calls only those below it:
//
//   - upload.go: uploads, in one request or resumable
//   - references.go: files that requests mention
//   - service.go: Service, which lists, shows, deletes and adds files
//   - file.go: what is kept of a file, and how it is shown
package files
