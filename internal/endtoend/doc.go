// Package endtoend holds tests of the whole product in real time: instances of
// the function over HTTP, on the Firestore emulator, in front of the simulator.
// They are as long as it takes to see one minute's limits renewed. What can be
// shown in virtual time is in package simulation instead, but for the batch of
// real text, which is here in both, and what unmodified clients see through wait.
package endtoend
