// Package config reads Fluxgate's settings from an environment, checks all of
// them at once and keeps what is secret from being printed.
//
// [Load] works on a list of NAME=value strings, so that nothing but the program
// itself touches the process environment: serve calls dotenv.Load first and
// then passes os.Environ(); a test passes what it wants to say. A command line
// flag is one more entry at the end of that list, because a later entry wins.
//
// An empty value means the same as no value: the default. Blanks and one pair
// of quotes around a value are dropped, since some tools that read .env files
// hand the quotes on.
//
// Problems are collected, not returned one by one: a person who starts the
// function with four mistakes sees four lines. What is odd but workable is a
// warning in [Config.Warnings]. Neither ever holds a key.
//
// Files, from the top down; a file calls only those below it:
//
//   - load.go: Load reads a Config from an environment, and warns of what it doesn't know
//   - validate.go: Validate checks every setting
//   - keys.go: the Gemini keys in GEMINI_KEY_N, and what a key and a project may look like
//   - providers.go: other providers than Gemini, their keys, and what their models may be called
//   - keylist.go: keys in other variables, several in one, and names that are nearly right
//   - callers.go: the callers' tokens and FLUXGATE_AUTH
//   - jobs.go: how scheduled jobs are known
//   - settings.go: Settings lists every variable with where its value is from
//   - config.go: Config, a field for every setting with its default, and how it is logged
//   - limits.go: limits by model and by caller, in JSON
//   - prices.go: what models cost, in JSON
//   - values.go: lists of models, and sizes in bytes
//   - names.go: what callers and models may be called
//   - secretnames.go: names of secrets in Secret Manager
//   - environ.go: environments as lists of NAME=value, and the names that have a meaning here
//   - secret.go: Secret, a text that never prints
//   - problems.go: problems joined, each with its variable, and values quoted in them
//   - rule.go: expressions that are compiled when they are first asked for
package config
