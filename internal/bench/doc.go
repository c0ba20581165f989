// Package bench measures what Fluxgate costs: [Overhead] compares the CPU that a
// request takes with that of a bare reverse proxy, [Stream] follows a long
// stream through it and directly, [ColdStart] times how long the function takes
// from the start of its process to its first answer.
//
// Whatever is compared is compared within one run, on one machine, against one
// simulated Gemini, in short rounds that alternate, so that whatever else the
// machine does strikes all sides. Ratios can be relied on; absolute figures are
// those of the machine.
//
// Every party is a process of its own, so that the operating system accounts
// for it alone: the simulator, the proxy, and Fluxgate. The caller says how such
// a process is started (a [Launcher]) and the process runs [RunProcess], which
// talks to its parent over standard input and output:
//
//	child:  serving on http://127.0.0.1:41234
//	parent: usage
//	child:  usage 123456789 31457280 20971520      CPU nanoseconds, peak and present resident bytes
//
// A child ends when its standard input does, so that none outlives its parent,
// however that ends.
//
// Files, from the top down; a file calls only those below it:
//
//   - overhead.go: Overhead, the CPU of a request beside that of a bare proxy
//   - stream.go: Stream, memory and delay of long streams
//   - session.go: sessions of the Live API, measured like streams
//   - memory.go: Memory, resident memory with many large bodies at once
//   - coldstart.go: ColdStart, the time to the first answer
//   - free.go: Free, many small instances at a pool's full rate
//   - throttle.go: processes with a share of a processor each
//   - breakdown.go: where the CPU of a party went, read from its profile
//   - child.go: the parent's end: Launcher, processes started, asked and ended
//   - process.go: RunProcess, the child's end
//   - parties.go: ServeSimulator and ServeProxy, and Fluxgate's settings
//   - reader.go: a stream read, with the delay of its chunks
//   - load.go: requests sent over a number of connections
//   - usage_unix.go: what a process has used so far
//   - usage_other.go: an error, on systems where that is unknown
//   - usage.go: Usage, as a child prints it
//   - figures.go: medians and other quantiles
package bench
