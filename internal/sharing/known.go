package sharing

import "regexp"

// A known is what a provider documents.
type known struct {
	shared List
	// dated is the end of a name that says of which date a model is, where it is the same model without.
	dated *regexp.Regexp
	// fast are the models whose fast mode has limits of its own, as a group: without a name.
	fast Group
	// long are models of which a longer input counts on limits of its own.
	long []long
}

// A long says of how many tokens of input on the requests for some models have limits of their own.
type long struct {
	above  int64
	models Group // without a name
}

// anthropic is as https://platform.claude.com/docs/en/api/rate-limits had it in October and November
// 2026: "Opus rate limit is a total limit that applies to combined traffic across Claude Opus 4.8,
// Opus 4.7, Opus 4.6, and Opus 4.5" (and earlier 4.1 and 4), "Sonnet 4.x rate limit is a total limit
// that applies to combined traffic across Sonnet 4.6 and Sonnet 4.5" (and 4); "Claude Opus 5 has a
// separate rate limit and is not part of this combined bucket", nor has Sonnet 5. Fable 5.x is one
// row of that table; that its models are counted together is a guess, the strict one. All others
// have rows of their own. A name without a date is an alias of that with one
// (https://platform.claude.com/docs/en/about-claude/models/overview).
//
// Of requests with speed: fast, https://platform.claude.com/docs/en/build-with-claude/fast-mode says
// that they have a dedicated rate limit, and which models have it: Opus 5.5, Opus 5, Opus 4.8 and
// 4.7, Fable 5.2 and Mythos 5.2. That each model's is its own is a guess. On Opus 4.6 they run at
// standard speed, on its limits; on any other they are an error, and are counted as if they were none.
//
// The limits of requests over 200,000 tokens (context-1m) were removed on 13 March 2026: "Your
// standard account limits now apply across every context length". A Priority Tier counts on the
// standard limits too (https://platform.claude.com/docs/en/api/service-tiers).
var anthropic = known{
	shared: List{
		{"claude-opus-4.x", "claude-opus-4", "claude-opus-4-*"},
		{"claude-sonnet-4.x", "claude-sonnet-4", "claude-sonnet-4-*"},
		{"claude-fable-5.x", "claude-fable-5", "claude-fable-5-*"},
	},
	dated: regexp.MustCompile(`-20[0-9]{6}$`),
	fast:  Group{"", "claude-opus-5-5", "claude-opus-5", "claude-opus-4-8", "claude-opus-4-7", "claude-fable-5-2", "claude-mythos-5-2"},
}

// openAI is as https://developers.openai.com/api/docs/guides/rate-limits had it in 2026: "For long
// context models like GPT-4.1, there is a separate rate limit for long context requests". These are of
// inputs that are estimated at more than 128,000 tokens, as a customer reports who quotes the page of
// that model (https://community.openai.com/t/1371479); of how many they are for newer ones wasn't
// found, so they are left out. "Some model families have shared rate limits": which, an organisation's own page
// says, so an operator names them. That a name with a date shares the limits of that without is said
// nowhere. Fast mode, formerly priority processing, counts on the standard limits
// (https://developers.openai.com/api/docs/guides/fast-mode).
var openAI = known{long: []long{{128_000, Group{"", "gpt-4.1", "gpt-4.1-*"}}}}
