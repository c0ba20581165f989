// Package quota is what the simulated Gemini refuses for how much was asked of it: requests per
// minute (RPM), input tokens per minute (TPM) and requests per Pacific day (RPD), what a billing
// account spends, and what a project may do at all. Its Ledger decides in one step whether a
// request is served, refused, or fails as was ordered, and enters that in the journal. It has no
// clock: every request brings the instant of its arrival.
//
// # What is modelled
//
// Quota is held per project and per resolved model. TPM counts input tokens only. A request is
// charged at its arrival, the moment its body was read to the end, before any latency; an instant
// before an earlier one is treated as that earlier one. The minute is one of three windows (see
// [Window]); a day ends at midnight in America/Los_Angeles, so it has 23 or 25 hours when the
// clocks change. A request that breaks several limits is told of all of them.
//
// A 429 carries Help, QuotaFailure and RetryInfo (captured). Its message gives the exact wait, its
// retryDelay the same wait floored to whole seconds, so a caller that trusts retryDelay may come
// back up to a second early, as with the real service. A daily refusal claims
// [Config.DailyRetryDelay], which is as misleading as the real one. There is no Retry-After header.
//
// A request larger than TPM is admitted when the window is empty, and then keeps it full for
// tokens/TPM minutes from its arrival; with TokenBucket it leaves a debt that is paid off, and the
// bucket full again, at that moment. With [Config.RejectOversize] it is refused with an ordinary
// 429 instead. A batch of more texts than RPM always is.
//
// Limits change at once, or at an instant.
//
// A project can be refused for its standing, such as grounding without billing, spending too fast
// or without credit, or a country without a free tier (see [Standing]). Several projects can be
// billed to one account, whose spending in ten minutes is limited (documented); the refusal is as
// captured, its RetryInfo too, which says nothing of when the ten minutes are over (captured as 31
// to 45 s; what it stands for is not established).
//
// Features can be limited by the minute and the day, beside the model's own limits ([Feature]): grounding
// by search, of a project whatever the model, and images, of each model. A request with one is
// charged to both or to neither. Such limits exist (documented: 500 grounded requests a day without
// billing, 1,500 with; images per minute), and what refuses search names none of them (captured). That
// a refusal names one, as it does here unless [FeatureLimits] says otherwise, is a guess, from
// public test fixtures: of the ids, SearchGroundingRequestsPerDayPerProject and
// GenerateImagesPerMinutePerProjectPerModel-FreeTier stand there, with the metrics
// search_grounding_requests_free_tier and generate_images_free_tier; those of the other two spans are
// made up alike. So is when the day of search begins: at Pacific midnight, like that of requests.
// Images that were captured to be refused were refused for the requests of their model.
//
// # What is not modelled
//
//   - Whether the real service charges requests that it refused or that failed is not
//     established. Here a refusal is not charged; of failures package faults says which are.
//   - The kind of window the real service uses, and its edge under clock skew between its
//     servers. Several servers, regions and eventual consistency.
//   - Paid tiers (every quotaId ends in -FreeTier), token quotas per day other than as one of the
//     violations of a model without any quota, monthly spending caps, and the dynamic "shared"
//     quotas.
//   - The quotaId for embedding tokens, which is not established.
//
// Files, from the top down; a file calls only those below it:
//
//   - ledger.go: Ledger, and what becomes of a request
//   - limits.go: limits of a project and model, their defaults and their changes
//   - features.go: what features may be used, and what a request counts against their quotas
//   - standing.go: what a project may do at all
//   - spend.go: what a billing account may spend
//   - bucket.go: what a request breaks of a model's limits, and its charge
//   - window.go: the three kinds of minute
//   - violations.go: the refusals of limits
package quota
