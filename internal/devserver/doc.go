// Package devserver starts what is missing on a developer's machine: simulated
// providers where no key is configured, and the Firestore emulator where no store
// is. Only the serve command has it, as an option of internal/app: the deployed
// function links neither.
//
// Files, from the top down; a file calls only those below it:
//
//   - local.go: starts either, and stops both
//   - simulator.go: the simulated Gemini, OpenAI and Anthropic, and the limits and keys they have
package devserver
