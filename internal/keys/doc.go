// Package keys keeps the pool of keys, of Gemini and of other providers: where they come from, which
// project each one belongs to, and when the list is read again.
//
// A [Source] reads the list once: [FromEnv] from the configuration,
// [FromSecrets] from Secret Manager. A [Pool] keeps what it read, reads it
// again now and then, and goes on with what it has when that fails.
//
// # Identity
//
// A key's public ID is its [Key.Index], the position in which it is
// configured: the N of GEMINI_KEY_N, or the place among all entries of all
// secrets in their order. Dropping a duplicate or blanking an entry doesn't
// renumber the others; taking a line out of a secret does. The fingerprint, the
// first 12 hexadecimal digits of the SHA-256 of the value, tells whether the
// key behind an ID has changed.
//
// # Revoked keys
//
// A pool goes on listing a key that was revoked. When a provider refuses a key, and a free call
// confirms that it is invalid, package dispatch (condemn in free.go) marks it in its project's document;
// package admission (candidates.go) chooses no marked key, until package validation finds that it works.
//
// # Projects
//
// Google limits projects, not keys, so keys that declare one project share its
// quota. A key that declares none is taken for a project of its own, named
// "key-" and its fingerprint. Such a key forgets what it has used when it is
// rotated, because its project changes with it: declare projects for keys that
// are rotated. What is used within one Pacific day is still enforced upstream.
//
// A project can be an entry without a key: it is called by the program's own identity,
// and upstream.WithoutKey stands where the value would.
//
// Files, from the top down; a file calls only those below it:
//
//   - pool.go: Pool, the keys in use, and when they are read again
//   - secrets.go: FromSecrets, the keys in Secret Manager
//   - env.go: FromEnv, the keys in the configuration
//   - payload.go: a secret's payload, read as keys
//   - key.go: Key, Fingerprint and Source; keys made of entries, without duplicates
package keys
