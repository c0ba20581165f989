// Package terminal shows an operator what a Fluxgate has answered: as tables that fit the terminal, once or again and again
// ([Watch]). Nothing here asks anything; the answers are those of package remote.
//
// What an answer holds is somebody else's text. It is shown without what would move the cursor or change the colours.
// Times are relative to the server's clock, which is the one that admits.
//
// Files, from the top down; a file calls only those below it:
//
//   - watch.go: Watch, an answer shown again and again
//   - inforce.go: the mode, the chain, the limits and what is used first, as they are in force
//   - answers.go: plan, validation, policy and configuration
//   - status.go: Status, with its sections
//   - callers.go: its sections for administrators: callers, the last refusals and failures, events
//   - usage.go: Usage, what was used
//   - text.go: numbers, waits, times and causes in words
//   - table.go: tables that fit the terminal
//   - style.go: Style, width and colours; text without control characters
package terminal
