// Package upgradetest holds tests that run the last release beside this build, as
// a rollout does and a rollback: on one Firestore emulator, in front of one
// simulated Gemini, under load.
//
// The last release is a commit (lastRelease), built from git. Whoever releases
// records the new one there, and makes golden documents by it: database_test.go
// says how.
package upgradetest
