// Package codec encodes what is stored of a project. It is pure: no store, no
// clock.
//
// # The first field
//
// The state of a project is one field of bytes, not indexed: version byte,
// varints, instants as differences. [Codec.Pack] keeps a document under
// [MaxDocument], 8 KiB, with 16 models at 20,000 requests a minute each, 16 more of
// which only the day and what was learned is kept, 512 requests on their way, 64
// bookings, 64 refusals that other instances recognise, 16 marks and 8 writers.
// Where all that comes together it keeps less exactly: fewer requests one by one,
// and the ends of the others rounded up to coarser steps; at last it gives up the
// totals of callers, then the refusals and most of what upstream said of keys. A
// reservation never ends early by it.
//
// A build refuses a version that it doesn't know, and bytes after the end, for
// what it doesn't understand may be a reservation. Since builds of two releases
// run side by side during a rollout and after a rollback, version 1 stays as it is.
//
// # The second field
//
// What a build can't read that may still be running goes into a second field, in
// sections: a tag, the tie to a state, and bytes that belong to whoever knows the
// tag ([Section]). The tie is a hash of the state that was written in the same
// write, so whoever reads the document finds out whether somebody else has changed
// the state since without changing the section:
//
//	the last writer                          the section is
//	knows the section                        current
//	knows sections, but not this one         kept as it was, and not current
//	is the release before sections           kept as it was, and not current
//	wrote the first state of the document    missing
//	had no room for it (see Pack)            missing
//
// A section that isn't current is taken conservatively: whatever may have been
// used meanwhile counts as used, so that nothing is admitted beyond a limit. What
// that means is up to the section (Section.Give). A second field in another format
// is left as it is, and holds nothing for this build.
//
// The sections of this build are [Sections]: the calendars that aren't a model's, those of them
// that are buckets, what is kept of models without a place, what is known to be on its way, what
// callers were served, which of them wait, which settings the writer knew of, for how long some bookings are kept,
// where in short windows the sums of requests end to the millisecond, and which models' limits of
// tokens are wider than the buckets beside them. Of the second field,
// [MaxSections], six models and eight other calendars, all of them full, take what there is. Where
// sixteen models are as full as can be made up, there is no room for it, and whatever isn't a
// model's calendar counts as used. Where nothing but models has a limit, the second field holds
// those settings alone, twelve bytes. That is so in callers' documents. Projects always have a limit
// of sessions, and so a few dozen bytes in it.
//
// Files, from the top down; a file calls only those below it:
//
//   - codec.go: a document, its bounds, and making a project fit
//   - wider.go: the section with limits of tokens that are wider than the bucket beside their model
//   - fine.go: the section with ends within a second, of short windows
//   - buckets.go: the section with calendars that are buckets, refilled without a break
//   - others.go: the section with the calendars that aren't a model's
//   - open.go: the sections of this build, and the one with what is known to be on its way
//   - idle.go: the section with the calendars that gave up their places
//   - services.go: the section with what callers were served
//   - waiters.go: the section with which callers wait
//   - holds.go: the section with for how long bookings are kept, if longer than usual
//   - settings.go: the section with which settings the writer knew of
//   - section.go: the second field
//   - encode.go: the first field, written
//   - decode.go: the first field, read; the decoder, which section.go reads with too
package codec
