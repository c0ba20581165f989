package routes

import "net/http"

const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	patch  = http.MethodPatch
	remove = http.MethodDelete
)

// named is where nearly all answers name what they tell of.
var named = []string{"name"}

// Table is every method of upstream's APIs that is known here.
//
// Of several rows whose paths have one shape the first names it: in metrics, traces and logs.
var Table = []Route{
	// Models. https://ai.google.dev/api/generate-content, /tokens, /embeddings, /models
	{Method: post, Path: "models/{call}:generateContent", Model: InPath, Counts: Requests, Candidates: true},
	{Method: post, Path: "models/{call}:streamGenerateContent", Model: InPath, Counts: Requests, Candidates: true, Flow: Streams},
	{Method: post, Path: "models/{call}:countTokens", Model: InPath},
	{Method: post, Path: "models/{call}:embedContent", Model: InPath, Counts: Texts},
	{Method: post, Path: "models/{call}:batchEmbedContents", Model: InPath, Counts: Texts, Each: "requests"},
	{Method: get, Path: "models/{call}", Model: InPath},
	{Method: get, Path: "models", Lists: "models"},

	// Files. https://ai.google.dev/api/files
	{Method: get, Path: "files", Lists: "files"},
	{Method: get, Path: "files/{id}", Names: "files/{id}"},
	{Method: remove, Path: "files/{id}", Names: "files/{id}", Ends: true},
	{Method: post, Base: Upload, Path: "files", Flow: Uploads, Makes: []string{"file.name"}},
	{Method: put, Base: Upload, Path: "files", Flow: Uploads, Makes: []string{"file.name"}},

	// Cached contents. https://ai.google.dev/api/caching
	{Method: get, Path: "cachedContents", Lists: "cachedContents"},
	{Method: post, Path: "cachedContents", Makes: named},
	{Method: get, Path: "cachedContents/{id}", Names: "cachedContents/{id}"},
	{Method: patch, Path: "cachedContents/{id}", Names: "cachedContents/{id}", Makes: named},
	{Method: remove, Path: "cachedContents/{id}", Names: "cachedContents/{id}", Ends: true},

	// Interactions. https://ai.google.dev/api/interactions
	{Method: post, Path: "interactions", Model: AgentInBody, Counts: Requests, Flow: MayStream, Makes: []string{"id", "interaction_id", "interaction.id"}},
	{Method: get, Path: "interactions/{id}", Names: "interactions/{id}", Flow: MayStream},
	{Method: remove, Path: "interactions/{id}", Names: "interactions/{id}", Ends: true},
	{Method: post, Path: "interactions/{id}/cancel", Names: "interactions/{id}"},

	// Google's endpoint for OpenAI's clients. https://ai.google.dev/gemini-api/docs/openai
	{Method: post, Base: OpenAI, Path: "chat/completions", Model: InBody, Counts: Requests, Candidates: true, Flow: MayStream},
	{Method: post, Base: OpenAI, Path: "embeddings", Model: InBody, Counts: Texts, Each: "input"},
	{Method: get, Base: OpenAI, Path: "models", Lists: "data"},
	{Method: get, Base: OpenAI, Path: "models/{model...}", Model: InPath},
}
