// Package terminal shows an operator what a Fluxgate has answered: as tables that fit the terminal, once or again and again
// ([Watch]). Nothing here asks anything; the answers are those of package remote.
//
// What an answer holds is somebody else's text. It is shown without what would move the cursor or change the colours.
// Times are relative to the server's clock, which is the one that admits.
package terminal
