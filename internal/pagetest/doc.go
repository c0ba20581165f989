// Package pagetest drives the page in a real headless Chromium: once against the
// whole of Fluxgate in front of the simulated Gemini, and once against statuses
// that are made up, for the pools that a simulator doesn't come to in a test.
//
// The JavaScript is in the folder js, with a lock file of its own, and needs
// Node.js 20 or later with npm, and Chromium. Where one is missing the tests are
// skipped, unless FLUXGATE_REQUIRE_CLIENTS is 1. Nothing but 127.0.0.1 is asked.
//
// With -update the pictures of the readme are made anew; with -pictures DIR one
// of every scenario is left in DIR, to be looked at.
package pagetest
