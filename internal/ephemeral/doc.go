// Package ephemeral knows the ephemeral tokens that were minted here: which open sessions of
// the Live API in place of a caller's token, made to be given to a browser. Gemini makes one
// (POST auth_tokens) in the project whose key asked for it, and takes it for that project
// alone, so many times and so long. A [Registry] keeps, for all instances, for which caller
// and in which project it was made, and until when it is good. Whoever brings one is that
// caller, for a session in that project; one that wasn't minted here is nobody's.
//
// A token is kept by its hash, in sixteen records of the store by that, and leaves them when
// it has expired. Gemini counts its uses; what is counted here keeps one that is used up from
// taking a slot each time that it is tried. A record has room for some eight hundred tokens,
// and a caller for half of them: then no more are minted until some have expired.
//
// Beside each is kept a proof of its caller's own token, as package callers makes one, by
// which it is found out whether that is still the caller's. Builds from before that keep the
// proofs and look at none; a token that such a build noted has none.
//
// Files, from the top down; a file calls only those below it:
//
//   - ephemeral.go: Registry, and what it keeps of a token
//   - ask.go: requests for tokens, and their answers
package ephemeral
