// Package callers knows who may use Fluxgate: it names the caller of a request
// by its token, and takes every credential off a request before anything of it
// is forwarded or logged.
//
// An [Authenticator] holds the tokens, from the configuration or from Secret
// Manager. [Authenticator.Authenticate] finds the one that a request carries,
// wherever its client puts an API key: x-goog-api-key (Google's clients),
// Authorization: Bearer (OpenAI's), Authorization: Basic as the password (curl
// -u), ?key= (a browser or curl), or X-Fluxgate-Token (where something else
// needs the others). Only SHA-256 digests of tokens are kept, and every one of
// them is compared with that of the request, in constant time.
//
// Scheduled jobs come with an identity token that Google signs for a service
// account. Where FLUXGATE_JOBS_ACCOUNT names it, such a token makes an
// administrator: verified here with Google's certificates, or by Cloud Run where
// that guards the service.
//
// [ModeOf] says what is asked of a request under a configuration. What a refusal
// looks like is not decided here: errors match one of the Err values, and the
// server words them as the client expects.
//
// The name of a caller is public. It appears in logs and counters and is the ID
// under which limits are counted; the token appears nowhere.
//
// Files, from the top down; a file calls only those below it:
//
//   - authenticator.go: Authenticator, which finds the caller of a request by its token, its identity, or as nobody
//   - table.go: the tokens, from the configuration or from Secret Manager, and how one is found
//   - strip.go: Strip takes credentials off a request
//   - cors.go: CORS, what web pages of other origins may do
//   - credentials.go: the credentials that a request carries, and where
//   - ephemeral.go: the ephemeral token of a request for a session
//   - jobs.go: identity tokens of scheduled jobs, read and verified
//   - mode.go: ModeOf, what is asked of a request: nothing, a token or IAM
package callers
