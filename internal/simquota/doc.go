// Package simquota is the quota of a simulated provider: what a project may still
// use of a model, and what it has used. It shares no code with the scheduler, which
// it is there to check.
//
// A [Ledger] has one [Limit] or more for each project and model. [Ledger.Try]
// charges a request to all of them, or to none and says which refuses it and for how
// long. What a request really used may be known later: [Ledger.Settle] puts its
// charge right, [Ledger.Add] counts what comes after it, such as output tokens as
// they are produced, whatever the limits say. [Ledger.Peak] is what was busiest, for
// tests of how much of a limit was used.
//
// A limit is measured in one of these ways:
//
//   - [Bucket], the zero value: it starts full, is filled evenly and holds at most one
//     period's worth, or [Limit.Burst]. Documented of Anthropic; of OpenAI and Groq its
//     traces are captured (10,000 a day are told to be reset in 8.64 s).
//   - [Sliding]: what was charged in the trailing period. A guess for any of them, and the
//     stricter reading for whoever has a burst behind them.
//   - [Calendar]: since the last midnight, for days (guessed of Cerebras and OpenRouter).
//   - [AtOnce]: requests that have arrived and aren't done.
//
// A request larger than a bucket holds but no larger than its limit is admitted when the
// bucket is full and leaves a debt. One that is larger than the limit is refused for good.
//
// Files, from the top down; a file calls only those below it:
//
//   - ledger.go: Ledger, the quotas of all projects
//   - quota.go: the limits of one project and model, and what was charged to them
//   - meter.go: one limit, measured
package simquota
