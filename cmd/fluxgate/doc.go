// Command fluxgate serves Fluxgate outside Google Cloud, simulates Gemini, sends
// batches of prompts, and operates a Fluxgate that runs anywhere.
//
// Files, from the top down; a file calls only those below it:
//
//   - main.go: all subcommands put together, and the exit code
//   - exit.go: the exit codes
//   - init.go: init, a .env file by asking
//   - check.go: check, what serve would run with and what is wrong with it
//   - serve.go: serve, Fluxgate on this machine
//   - front.go: the second address of serve, where requests wait
//   - wait.go: wait, a proxy that waits on behalf of programs that can't
//   - simulator.go: simulator, a Gemini that enforces limits
//   - batch.go: batch, many prompts from files
//   - control.go: mode, prefer, chain, limits, enable, disable and reset
//   - plan.go: plan, when a request could go
//   - usage.go: usage, who used what
//   - operate.go: status, validate and refresh-policy, and what all commands of operators share
//   - version.go: version, what the program was built from
//   - cost.go: cost, what a deployment costs a month
//   - bench.go: bench overhead and bench stream, and the parties that benchmarks start
//   - benchmemory.go: bench memory
//   - benchfree.go: bench free
//   - coldstart.go: bench coldstart, and the function as a platform starts it
//   - launcher.go: what the benchmarks share: how a party is started
//   - connection.go: the flags that say where a Fluxgate is and who asks
//   - server.go: the HTTP server of serve
//   - unwanted.go: large bodies that an answer has refused
package main
