// Package clients holds tests that drive real, unmodified client libraries
// against Fluxgate in front of the simulated Gemini: Google's SDKs for Go and
// JavaScript, OpenAI's SDK for Node, the Vercel AI SDK and gemini-cli; and OpenAI's
// for Node and Anthropic's for Node and Go in front of their own providers, simulated too. What they
// need from the routes is stated nowhere as surely as in their code. What they make of
// waits is shown too, by themselves and through wait.
//
// Anthropic's SDK for Go is in the folder go, a module of its own; the module proxy has it. The
// JavaScript is in the folder js, with a lock file of its own, and needs
// Node.js 20 or later with npm. Where they are missing those tests are skipped,
// unless FLUXGATE_REQUIRE_CLIENTS is 1. The libraries are installed once, from
// npm's registry; the tests themselves talk to 127.0.0.1 only.
package clients
