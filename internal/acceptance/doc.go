// Package acceptance holds tests of the whole product in real time: instances of
// the function over HTTP, on the Firestore emulator, in front of the simulator.
// They are as long as it takes to see one minute's limits renewed. What can be
// shown in virtual time is in package simulation instead, but for the batch of
// real text, which is here in both, and what unmodified clients see through wait.
//
// Go begins packages in the order of their names. This one waits for most of its time, and those that take turns with it
// (package testlock) wait for it, so it is to be among the first.
package acceptance
