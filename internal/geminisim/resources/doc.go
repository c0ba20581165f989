// Package resources keeps what belongs to a project of the simulated Gemini, and only for a time:
// files, cached contents and interactions. One that has expired, or is another project's, is as one
// that was never there. Lists come in pages, the newest first; whether the real service lets the
// token of a page be used by another project is not established, here it doesn't.
package resources
