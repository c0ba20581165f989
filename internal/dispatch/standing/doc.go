// Package standing reads how a project stands with its provider, as the headers of each answer say
// it: what a model's limits are, and how much of them is used, by whomever. It makes changes of the
// project of that.
//
// Headers are believed. A limit is learned from the first answer, before anything is refused,
// and again on every day, so that no request is sent beyond it to see whether it holds. What
// an operator has named is never raised by it, nor one that was learned after the request was
// sent: it may have fallen since. What is used beyond what was sent from here,
// somebody else has sent with the same organisation's keys: it weighs on the calendar as
// if it had been sent now, and a little longer, with an eighth of it left free beside it. Who sends
// steadily has sent the next by then, so a user who comes is met by one refusal and not by one for
// each request. After a while in which nothing was told the first request
// goes before the others, which wait for what its answer tells ([scheduler.Heard]). What an answer
// tells of others' use is as of the instant at which the request that it answers arrived, however long the answer took.
// So all of that use was sent before then, and has left the window a window later: what is told after that is other use.
// What has been filled again since counts as not used. Of a limit that is filled evenly, as resets have shown it to be, what is
// missing is compared with what would be, had nobody else sent anything.
//
// A limit of a minute is the model's calendar's. But tokens that count as they are used (Groq's) have a
// bucket beside it ([scheduler.OfUsed]) once their reset has shown that they are filled evenly, and then
// the model's window holds twice as many: a bucket that is full lets so many pass within a minute. In a window
// what was reserved for an answer, and wasn't used, would be lost until more than that has left it.
//
// A limit of input or of output by itself that a refusal names, and no header tells of (Groq's), has a calendar beside the model's
// from then on ([scheduler.OfInputs], [scheduler.OfOutputs]). What is used of it by then counts as used now, whoever sent it: nothing
// is heard of it later that would tell others' use from ours.
//
// A limit of another period has a calendar beside the model's that is made for it: a bucket, where what is told shows that it is filled without a break; a day,
// where it ends at midnight; and else a window, to which the schedule is kept whatever the
// provider does.
//
// Files, from the top down; a file calls only those below it:
//
//   - standing.go: the changes
//   - late.go: requests that arrive later than was measured, or named
//   - shares.go: what of an organisation's limits is left to each key
//   - record.go: what was counted when a request was sent, and what others were charged with
package standing
