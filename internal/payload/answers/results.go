package answers

import (
	"encoding/json"
	"slices"
	"strconv"
)

// A Form is how an answer tells what became of a job.
type Form int

// The forms. In what of them usage stands: of Gemini's batches it is documented that a result is a
// GenerateContentResponse or a status (https://ai.google.dev/gemini-api/docs/batch-api), of
// embeddings it is what Google's SDKs read; of OpenAI's and Anthropic's batches
// https://platform.openai.com/docs/guides/batch and
// https://docs.claude.com/en/docs/build-with-claude/batch-processing have examples, and that
// Gemini's endpoint for OpenAI's clients writes its results as OpenAI does, Google says
// (https://ai.google.dev/gemini-api/docs/openai#batch).
const (
	Lines   Form = iota // a file, with the result of one request in each line
	Inlined             // a batch of Gemini's, with all results in it
	Single              // an interaction or a response, which is its own result
)

// roots are where results stand: "" is the text itself. Gemini tells what is inlined twice.
var roots = map[Form][]string{
	Lines: {""},
	Inlined: {
		"response.inlinedResponses.inlinedResponses", "metadata.output.inlinedResponses.inlinedResponses",
		"response.inlinedEmbedContentResponses.inlinedResponses", "metadata.output.inlinedEmbedContentResponses.inlinedResponses",
	},
	Single: {"", "interaction", "response"}, // these two in events
}

// A fact is a member of a result.
type fact struct {
	name string
	note func(r *result, value []byte)
}

// facts are the members that are read of results, themselves included.
var facts = map[Form][]fact{Lines: ofRequests, Inlined: ofRequests, Single: {
	{"", nil},
	{"usage", func(r *result, value []byte) {
		if r.uses(InteractionUsage, value); r.PromptTokens < 0 {
			r.uses(ResponsesUsage, value)
		}
	}},
	{"model", (*result).names},
	{"status", func(r *result, value []byte) { r.going = slices.Contains(going, string(value)) }},
}}

var ofRequests = []fact{
	{"", nil},
	{"response", func(r *result, _ []byte) { r.answered = true }},
	{"response.usageMetadata", func(r *result, value []byte) { r.uses(GeminiUsage, value) }},
	{"response.modelVersion", (*result).names},
	{"response.tokenCount", func(r *result, value []byte) { r.embeds(value) }},
	{"response.body", func(r *result, _ []byte) { r.body = true }}, // an error has one too
	{"response.body.usage", func(r *result, value []byte) { r.uses(OpenAIUsage, value) }},
	{"response.body.model", (*result).names},
	{"result.message.usage", func(r *result, value []byte) { r.uses(AnthropicUsage, value) }},
	{"result.message.model", (*result).names},
}

// going are the states of what isn't over.
var going = []string{`"in_progress"`, `"queued"`}

// A result is what is known of one.
type result struct {
	Usage
	answered, body, going bool
}

func (r *result) uses(m *Meter, object []byte) {
	model := r.ModelVersion
	r.Usage = m.of(object)
	r.ModelVersion = model
}

func (r *result) names(model []byte) { readString(model, &r.ModelVersion) }

// embeds reads how many tokens were embedded, which is a string: a whole number of 64 bits.
func (r *result) embeds(text []byte) {
	var s string
	_ = json.Unmarshal(text, &s)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 {
		r.PromptTokens = min(n, maxTokens)
	}
}

// of reads the usage that is the value of a member.
func (m *Meter) of(object []byte) Usage {
	end := NewTail(m)
	for _, piece := range []string{"{", m.names[0], ":", string(object), "}"} {
		_, _ = end.Write([]byte(piece)) // never fails
	}
	return m.Read(end)
}

// Results reads what the requests of a job used, as its results come. It keeps nothing else of
// them.
type Results struct {
	members
	told int // how many were told
}

// NewResults returns a reader of what comes in a form. It tells of the usage of every request that
// was answered, in their order; PromptTokens is negative where the result doesn't say.
func NewResults(form Form, each func(u Usage)) *Results {
	r := new(Results)
	all, now := facts[form], result{Usage: Usage{PromptTokens: -1}}
	var names []string
	for _, root := range roots[form] {
		for _, f := range all {
			names = append(names, joined(root, f.name))
		}
	}
	seen := make([]int, len(roots[form])) // of each root
	r.members = newMembers(names, keptSize, func(member int, value []byte) {
		root, f := member/len(all), all[member%len(all)]
		if f.note != nil {
			f.note(&now, value)
			return
		}
		if over := now; !over.going && (over.answered && !over.body || over.PromptTokens >= 0) {
			if seen[root]++; seen[root] > r.told {
				r.told++
				each(over.Usage)
			}
		}
		now = result{Usage: Usage{PromptTokens: -1}}
	})
	return r
}

// Write implements io.Writer; it never fails.
func (r *Results) Write(p []byte) (int, error) {
	r.read(p)
	return len(p), nil
}

func joined(root, name string) string {
	if root == "" || name == "" {
		return root + name
	}
	return root + "." + name
}
