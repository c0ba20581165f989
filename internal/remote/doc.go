// Package remote speaks to a Fluxgate that runs somewhere else: on this machine, or deployed.
//
// [Access] is what every conversation has in common: the address, the credentials, and what of an answer may be shown.
// [Turn] is how a client obeys that is told to wait: batch and wait build on these two alone. [Client] is the rest of the
// HTTP interface, that of operators: status, plan, config, validate, refresh-policy and reset, with a type for each answer
// and [Error] for a refusal. To a client a refusal is any answer that isn't what was asked for, a 429 of Fluxgate's included;
// package scheduler calls that one a wait, and only upstream's 429 a refusal.
//
// # Credentials
//
// Two guards can stand before a Fluxgate, and each has a credential of its own. Fluxgate's is a token of FLUXGATE_TOKENS or
// FLUXGATE_ADMIN_TOKENS, sent as X-Fluxgate-Token. Cloud Run's IAM takes an ID token of a Google account ([Identity]) as
// Authorization: Bearer, or beside a token as X-Serverless-Authorization. Neither is ever sent over plain HTTP to another
// machine, nor to wherever a redirect points, nor shown: a [Token] prints as REDACTED, and a server that repeats one in an
// error has it taken out.
//
// Files, from the top down; a file calls only those below it:
//
//   - usage.go: GET /usage: asking, and the types of the answer
//   - client.go: Client, a method for each thing that an operator asks
//   - contract.go: the types of its answers
//   - turn.go: Turn, what one request was told and sends when it comes back; whose refusal it is, and for how long
//   - errors.go: Error, a refusal as it was told, and how long to wait
//   - access.go: Access, the address and credentials of a request, and what may be shown of its failure
//   - identity.go: Identity, ID tokens of a Google account, by application default credentials (package googleid) or gcloud
//   - token.go: Token, a token of Fluxgate that never prints
package remote
