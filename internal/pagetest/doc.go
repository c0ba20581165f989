// Package pagetest drives the page in a real headless Chromium: against two
// instances of the whole of Fluxgate in front of the simulated Gemini, over the
// memory store and over the Firestore emulator, and against statuses that are made
// up, for the pools that a simulator doesn't come to in a test.
//
// The JavaScript is in the folder js, with a lock file of its own, and needs
// Node.js 20 or later with npm, and Chromium. Where one is missing the tests are
// skipped, unless FLUXGATE_REQUIRE_CLIENTS is 1; so is the one over the emulator
// without it, unless FLUXGATE_REQUIRE_EMULATOR is 1. The emulator's time can't be
// put forward, so that one takes a minute. Nothing but 127.0.0.1 is asked.
//
// With -update the pictures of the readme are made anew; with -pictures DIR one
// of every scenario is left in DIR, to be looked at.
package pagetest
