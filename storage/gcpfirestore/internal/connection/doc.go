// Package connection holds the client of a Firestore database, and replaces it when its
// connection has gone silent: what is sent is swallowed, nothing says so, and every call
// runs into its deadline, while a new connection would work.
//
// Two things find out. gRPC pings while a call is under way, and closes a connection
// that doesn't answer. And a client on which calls run into their deadlines, and nothing
// at all is heard, is replaced by a new one, whatever the reason; the old one is closed
// when its calls have ended. It may be the database itself that is silent, so the pause
// between two clients grows as long as nothing is heard.
//
// Files, from the top down; a file calls only those below it:
//
//   - connection.go: a connection, and calls on it
package connection
