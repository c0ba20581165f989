// Package upgradetest holds tests that run the last release beside this build, as
// a rollout does and a rollback: on one Firestore emulator, in front of one
// simulated Gemini, under load.
//
// The last release is a commit (lastRelease in build_test.go), built from git. Whoever
// releases records the new one there, and makes golden documents by it, which lie in
// testdata below its name: database_test.go says how, and tests that this build reads
// them. upgrade_test.go has the upgrade and the rollback, under the load of
// load_test.go, in the world that world_test.go starts.
package upgradetest
