// Package endtoend holds tests of the whole product in real time: instances of
// the function over HTTP, on the Firestore emulator, in front of the simulator.
// What can be shown in virtual time is in package simulation instead.
package endtoend
