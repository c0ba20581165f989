// Package limits says how much quota models have: families with built-in limits, the
// chain of models and the modes that filter it, and limits by source. It is the part of
// package scheduler that knows of no calendar; that has all its names.
//
// Files, from the top down; a file calls only those below it:
//
//   - rules.go: what every decision is made with
//   - names.go: calendars that aren't a model's: their names, and what they count
//   - beside.go: calendars beside a model's, whose names say how they count it
//   - policy.go: modes, and limits by source
//   - tiers.go: the usage tiers of projects, and the limits of the paid ones
//   - families.go: families of models, with what is built in for the free tier
package limits
