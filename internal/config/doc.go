// Package config reads Fluxgate's settings from an environment, checks all of
// them at once and keeps what is secret from being printed.
//
// [Load] works on a list of NAME=value strings, so that nothing but the program
// itself touches the process environment: serve calls [LoadDotEnv] first and
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
package config
