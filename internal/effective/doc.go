// Package effective puts together the policy in force for a deployment: the model
// chain, the mode, the projects that are used first and the limits, from what is built in, what Gemini reports, what
// the operator configured and what an administrator set at run time, in rising
// order of trust, for all projects and for single ones ([Rules] has the order). Limits learned from upstream's 429s are not among them: they
// belong to single projects, and beat all of these; see
// [scheduler.Calendar.EffectiveLimits].
package effective
