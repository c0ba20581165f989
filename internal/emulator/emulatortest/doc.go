// Package emulatortest gives tests a Firestore emulator: one for all the packages of a `go test ./...`, which are
// separate processes that run at the same time and one after another.
//
//	func TestStore(t *testing.T) {
//		client := emulatortest.Client(t) // skips without an emulator, and with -short
//		…
//	}
//
// With FIRESTORE_EMULATOR_HOST set, that emulator is used. Otherwise the first test process that needs one has it started
// by a supervisor: the same test binary, executed again in a session of its own, which an init function of this
// package turns into the supervisor before any test code runs. So only tests may import this package.
//
// How the processes find each other and how the emulator ends:
//
//   - They meet in a directory under os.TempDir that is named after the user and the parent process, which is the
//     `go test` that all of them have in common.
//   - Each test process holds a shared lock on the file "users" until it ends. The kernel releases it however the process
//     ends, so the count of users can't be wrong.
//   - One of them, chosen by the lock on "start", starts the supervisor. That holds the lock on "state", where the others
//     read the address, for as long as the emulator lives. A state nobody holds the lock of is what a crash left behind.
//   - The supervisor ends the emulator, itself and the directory when there is no user and there can be no other: once
//     `go test` has ended. Where the parent isn't `go test` (a debugger, a shell) it waits 10 s for another user instead.
//     On Linux the emulator also ends when the supervisor is killed.
//
// Files, from the top down; a file calls only those below it:
//
//   - emulatortest.go: Host, Project and Client, which tests call
//   - silencer.go: Silencer, which stands before an emulator and swallows bytes
//   - supervisor.go: the process that runs the emulator and ends it
//   - share.go: how processes find a supervisor, or start one, by locks on files
//   - share_other.go: an error, where files can't be locked
//   - client.go: a client of a project of an emulator
//   - parent_linux.go: whether the parent process still runs
//   - parent_bsd.go: the same on macOS and BSD
package emulatortest
