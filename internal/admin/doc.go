// Package admin is what operators see and change: status, plan, the run-time
// configuration, checks of keys, resets, what Gemini says of its models and
// limits, and the history of finished days.
//
// It knows no HTTP: a body comes in as bytes, what is returned is the JSON of the
// answer. Who may call what is the server's business. Every change is audited.
//
// It is tested through HTTP, in package server.
//
// Files, from the top down; a file calls only those below it:
//
//   - admin.go: an Admin, and what it works with
//   - keyless.go: why no key can serve a request, in words
//   - status.go: GET /status
//   - fresh.go: how fresh it is
//   - projectstatus.go: its part about projects and their calendars
//   - plan.go: POST /plan
//   - own.go: how a caller's own limits and budgets stand
//   - config.go: POST /config
//   - refresh.go: POST /refresh-policy, and asking Gemini
//   - operate.go: POST /validate, POST /reset, and the history
//   - shared.go: the validator of keys, moving bookings under new limits, the logger
package admin
