// Package emulator finds the Firestore emulator of the Google Cloud CLI and runs it on a loopback port.
//
// The emulator is a Java program that gcloud installs as the component cloud-firestore-emulator. gcloud's own wrapper
// takes seconds of Python before Java is even started, so its jar is run with java directly whenever it can be found;
// `gcloud emulators firestore start` is what is left when the jar isn't where every release so far has put it.
//
// One emulator serves any number of projects and keeps all data in memory: whatever is in it ends with it.
//
// Tests use the package emulatortest, which shares one emulator between all the processes of a `go test ./...`.
//
// Files, from the top down; a file calls only those below it:
//
//   - emulator.go: Start, Stop, and waiting until it answers
//   - find.go: Missing, and the command that runs the emulator: its jar and Java, or gcloud
//   - address.go: Check, whether an emulator answers at an address; free ports
//   - group_unix.go: the emulator's processes ended together
//   - group_other.go: the one process ended, on other systems
//   - procattr_linux.go: processes started as a group, which ends with this process
//   - procattr_unix.go: processes started as a group, on other Unix systems
//   - tail.go: tail, the last that the emulator printed
package emulator
