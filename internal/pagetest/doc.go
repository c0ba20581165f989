// Package pagetest drives the page in a real headless Chromium: against two
// instances of the whole of Fluxgate in front of the simulated Gemini, over the
// memory store and over the Firestore emulator, and against statuses that are made
// up, for the pools that a simulator doesn't come to in a test.
//
// The JavaScript is in the folder js, with a lock file of its own, and needs
// Node.js 20 or later with npm, and Chromium. Where one is missing the tests are
// skipped, unless FLUXGATE_REQUIRE_CLIENTS is 1; so is the one over the emulator
// without it, unless FLUXGATE_REQUIRE_EMULATOR is 1. With -short all of them are.
// Nothing but 127.0.0.1 is asked.
//
// No test depends on who is faster: Fluxgate's clock is put forward, the
// emulator's by translating what it tells, and the clock of a page that must do
// nothing by itself stands still.
//
// With -update the pictures of the readme are made anew; with -pictures DIR one
// of every scenario is left in DIR, to be looked at.
package pagetest
