package routes

import (
	"net/http"
	"slices"
)

const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	patch  = http.MethodPatch
	remove = http.MethodDelete
)

var (
	// named is where nearly all answers name what they tell of.
	named = []string{"name"}
	// results are where a job names the file with its answers.
	results = []string{"response.responsesFile", "metadata.output.responsesFile"}
	// outputs are the same in OpenAI's format.
	outputs = []string{"output_file_id", "error_file_id"}
	// identified is where answers in OpenAI's format and Anthropic's name what they tell of, and
	// answered where a response does that comes whole or as events.
	identified = []string{"id"}
	answered   = []string{"id", "response.id"}
	// items are where a response names what it consists of once it is there: what was made upstream. (What is listed
	// of its input, or of a conversation, may have an ID that its caller gave it, and anybody can give it another's.)
	// entries are where a list of files in a container names these, which have IDs of upstream's alone.
	items   = []string{"output.id", "response.output.id"}
	entries = []string{"data.id"}
	// opened are where a response names its containers, and a message its own.
	opened  = []string{"output.container_id", "item.container_id", "response.output.container_id"}
	opening = []string{"container.id", "message.container.id", "delta.container.id"}
	// videos are where an operation names what it has made.
	videos = []string{"response.generateVideoResponse.generatedSamples.video.uri"}
)

// batchFile is where a batch names the file with its requests, and madeBatch where a request has
// the batch.
const (
	batchFile = "inputConfig.fileName"
	madeBatch = "batch."
)

// live is the feature that sessions count on.
const live = "live"

// Why what is known isn't served.
const (
	oneProjects = "It belongs to one of several projects, and what requests say of it isn't known here. Use it with a key of Google's."
	oneOrgs     = "What it is about would belong to one of several organisations or projects, and isn't told apart here. Use it with a key of the provider's own."
	noDecisions = "Whose quota it uses isn't known here. Use it with a key of the provider's own."
	noOAuth     = "It wants credentials of Google Cloud, which don't pass here. Upload the file instead."
	noTuning    = "Google has shut down tuning in this API."
	noMusic     = "Music is not relayed. Use it with a key of Google's."
	notGoogles  = "Google's endpoint for OpenAI's clients has no such route. OpenAI itself has."
	geminisOwn  = "Google's endpoint for OpenAI's clients takes no files. Upload it to Gemini's own /upload/v1beta/files, and name it files/… as input_file_id."
)

// Table is every method of upstream's APIs that is known here.
//
// Of several rows whose paths have one shape the first names it: in metrics, traces and logs.
var Table = slices.Concat([]Route{
	// Models. https://ai.google.dev/api/generate-content, /tokens, /embeddings, /models
	{Method: post, Path: "models/{call}:generateContent", Model: InPath, Counts: Requests, Candidates: true},
	{Method: post, Path: "models/{call}:streamGenerateContent", Model: InPath, Counts: Requests, Candidates: true, Flow: Streams},
	{Method: post, Path: "models/{call}:countTokens", Model: InPath},
	{Method: post, Path: "models/{call}:embedContent", Model: InPath, Counts: Requests, Pinned: true},
	{Method: post, Path: "models/{call}:batchEmbedContents", Model: InPath, Counts: Requests, Pinned: true, Each: "requests"},
	{Method: post, Path: "models/{call}:predict", Model: InPath, Counts: Requests, Pinned: true, Uncounted: true, Feature: "image_output"},
	{Method: post, Path: "models/{call}:predictLongRunning", Model: InPath, Counts: Requests, Pinned: true, Uncounted: true, Makes: named},
	{Method: post, Path: "models/{call}:batchGenerateContent", Model: InPath, Counts: Jobs, Pinned: true, NamesFile: madeBatch + batchFile, ReadsLines: true, Makes: named},
	{Method: post, Path: "models/{call}:asyncBatchEmbedContent", Model: InPath, Counts: Jobs, Pinned: true, NamesFile: madeBatch + batchFile, ReadsLines: true, Makes: named},
	{Method: get, Path: "models/{call}", Model: InPath},
	{Method: patch, Path: "models/{call}", Unserved: noTuning},
	{Method: remove, Path: "models/{call}", Unserved: noTuning},
	{Method: get, Path: "models", Lists: "models"},

	// Operations. https://ai.google.dev/api/models#method:-models.operations.get
	{Method: get, Path: "models/{model}/operations/{id}", Names: "models/{model}/operations/{id}", Makes: videos},
	{Method: get, Path: "operations/{id}", Names: "operations/{id}", Makes: videos},

	// Batches. https://ai.google.dev/api/batch-api
	{Method: get, Path: "batches", Lists: "operations"},
	{Method: get, Path: "batches/{id}", Names: "batches/{id}", Flow: Downloads, Makes: results, Results: Inlined},
	{Method: remove, Path: "batches/{id}", Names: "batches/{id}", Ends: true},
	{Method: post, Path: "batches/{id}:cancel", Names: "batches/{id}"},
	{Method: patch, Path: "batches/{id}:updateGenerateContentBatch", Names: "batches/{id}", NamesFile: batchFile, ReadsLines: true},
	{Method: patch, Path: "batches/{id}:updateEmbedContentBatch", Names: "batches/{id}", NamesFile: batchFile, ReadsLines: true},

	// Files. https://ai.google.dev/api/files
	{Method: get, Path: "files", Lists: "files"},
	{Method: get, Path: "files/{id}", Names: "files/{id}"},
	{Method: remove, Path: "files/{id}", Names: "files/{id}", Ends: true},
	{Method: get, Path: "files/{id}:download", Names: "files/{id}", Flow: Downloads, Results: Lines},
	{Method: post, Path: "files:register", Unserved: noOAuth},
	{Method: post, Base: Upload, Path: "files", Flow: Uploads, Makes: []string{"file.name"}},
	{Method: put, Base: Upload, Path: "files", Flow: Uploads, Makes: []string{"file.name"}},
	{Method: get, Base: Download, Path: "files/{id}:download", Names: "files/{id}", Flow: Downloads, Results: Lines},

	// Cached contents. https://ai.google.dev/api/caching
	{Method: get, Path: "cachedContents", Lists: "cachedContents"},
	{Method: post, Path: "cachedContents", Makes: named},
	{Method: get, Path: "cachedContents/{id}", Names: "cachedContents/{id}"},
	{Method: patch, Path: "cachedContents/{id}", Names: "cachedContents/{id}", Makes: named},
	{Method: remove, Path: "cachedContents/{id}", Names: "cachedContents/{id}", Ends: true},

	// File search stores. What is in one is its project's and its caller's.
	// https://ai.google.dev/api/file-search/file-search-stores, /documents
	{Method: get, Path: "fileSearchStores", Lists: "fileSearchStores"},
	{Method: post, Path: "fileSearchStores", Makes: named},
	{Method: get, Path: "fileSearchStores/{id}", Names: "fileSearchStores/{id}"},
	{Method: remove, Path: "fileSearchStores/{id}", Names: "fileSearchStores/{id}", Ends: true},
	{Method: post, Path: "fileSearchStores/{id}:importFile", Names: "fileSearchStores/{id}", NamesFile: "fileName"},
	{Method: post, Base: Upload, Path: "fileSearchStores/{id}:uploadToFileSearchStore", Names: "fileSearchStores/{id}", Flow: Uploads},
	{Method: put, Base: Upload, Path: "fileSearchStores/{id}:uploadToFileSearchStore", Names: "fileSearchStores/{id}", Flow: Uploads},
	{Method: get, Path: "fileSearchStores/{id}/documents", Names: "fileSearchStores/{id}", Lists: "documents"},
	{Method: get, Path: "fileSearchStores/{id}/documents/{document}", Names: "fileSearchStores/{id}"},
	{Method: remove, Path: "fileSearchStores/{id}/documents/{document}", Names: "fileSearchStores/{id}"},
	{Method: get, Path: "fileSearchStores/{id}/media/{media}", Names: "fileSearchStores/{id}", Flow: Downloads},
	{Method: get, Path: "fileSearchStores/{id}/operations/{operation}", Names: "fileSearchStores/{id}"},
	{Method: get, Path: "fileSearchStores/{id}/upload/operations/{operation}", Names: "fileSearchStores/{id}"},

	// Interactions. https://ai.google.dev/api/interactions
	{
		Method: post, Path: "interactions", Model: AgentInBody, Counts: Requests, Uncounted: true, Flow: MayStream,
		Makes: []string{"id", "interaction_id", "interaction.id"}, Under: "interactions/",
	},
	{Method: get, Path: "interactions/{id}", Names: "interactions/{id}", Flow: MayStream, Results: Single},
	{Method: remove, Path: "interactions/{id}", Names: "interactions/{id}", Ends: true},
	{Method: post, Path: "interactions/{id}/cancel", Names: "interactions/{id}"},

	// Sessions of the Live API, and the ephemeral tokens that open them.
	// https://ai.google.dev/api/live, https://ai.google.dev/gemini-api/docs/ephemeral-tokens
	{Method: get, Base: Socket, Path: "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent", Model: InSetup, Counts: Requests, Feature: live, Flow: Upgrades},
	{Method: get, Base: Socket, Path: "google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContent", Model: InSetup, Counts: Requests, Feature: live, Flow: Upgrades},
	{Method: get, Base: Socket, Path: "google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContent", Model: InSetup, Counts: Requests, Feature: live, Flow: Upgrades},
	{Method: get, Base: Socket, Path: "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContentConstrained", Model: InSetup, Counts: Requests, Feature: live, Flow: Upgrades},
	{Method: get, Base: Socket, Path: "google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained", Model: InSetup, Counts: Requests, Feature: live, Flow: Upgrades},
	{Method: get, Base: Socket, Path: "google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContentConstrained", Model: InSetup, Counts: Requests, Feature: live, Flow: Upgrades},
	{Method: get, Base: Socket, Path: "google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateMusic", Flow: Upgrades, Unserved: noMusic},
	{Method: get, Base: Socket, Path: "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateMusic", Flow: Upgrades, Unserved: noMusic},
	{Method: get, Base: Socket, Path: "google.ai.generativelanguage.v1.GenerativeService.BidiGenerateMusic", Flow: Upgrades, Unserved: noMusic},
	{Method: post, Path: "auth_tokens", Flow: Mints},

	// What interactions may use. Of the SDKs' sources.
	{Method: get, Path: "agents", Unserved: oneProjects},
	{Method: post, Path: "agents", Unserved: oneProjects},
	{Method: get, Path: "agents/{id}", Unserved: oneProjects},
	{Method: remove, Path: "agents/{id}", Unserved: oneProjects},
	{Method: get, Path: "environments", Unserved: oneProjects},
	{Method: post, Path: "environments", Unserved: oneProjects},
	{Method: get, Path: "environments/{id}", Unserved: oneProjects},
	{Method: remove, Path: "environments/{id}", Unserved: oneProjects},
	{Method: get, Path: "environments/{id}/files/{path...}", Unserved: oneProjects},
	{Method: put, Base: Upload, Path: "environments/{id}/files/{path...}", Flow: Uploads, Unserved: oneProjects},
	{Method: post, Base: Upload, Path: "environments/{id}/files/{path...}", Flow: Uploads, Unserved: oneProjects},
	{Method: get, Path: "triggers", Unserved: oneProjects},
	{Method: post, Path: "triggers", Unserved: oneProjects},
	{Method: get, Path: "triggers/{id}", Unserved: oneProjects},
	{Method: patch, Path: "triggers/{id}", Unserved: oneProjects},
	{Method: remove, Path: "triggers/{id}", Unserved: oneProjects},
	{Method: get, Path: "triggers/{id}/executions", Unserved: oneProjects},
	{Method: post, Path: "triggers/{id}/executions", Unserved: oneProjects},
	{Method: get, Path: "webhooks", Unserved: oneProjects},
	{Method: post, Path: "webhooks", Unserved: oneProjects},
	{Method: get, Path: "webhooks/{id}", Unserved: oneProjects},
	{Method: patch, Path: "webhooks/{id}", Unserved: oneProjects},
	{Method: remove, Path: "webhooks/{id}", Unserved: oneProjects},
	{Method: post, Path: "webhooks/{id}:ping", Unserved: oneProjects},
	{Method: post, Path: "webhooks/{id}:rotateSigningSecret", Unserved: oneProjects},
	{Method: get, Path: "voices", Unserved: oneProjects},
	{Method: post, Path: "voices", Unserved: oneProjects},
	{Method: get, Path: "voices/{id}", Unserved: oneProjects},
	{Method: remove, Path: "voices/{id}", Unserved: oneProjects},
	{Method: get, Path: "credentials", Unserved: oneProjects},
	{Method: post, Path: "credentials", Unserved: oneProjects},
	{Method: get, Path: "credentials/{id}", Unserved: oneProjects},
	{Method: patch, Path: "credentials/{id}", Unserved: oneProjects},
	{Method: remove, Path: "credentials/{id}", Unserved: oneProjects},
	{Method: post, Path: "decisions", Unserved: noDecisions},
	{Method: post, Base: OpenAI, Path: "decisions", Unserved: noDecisions},

	// Tuning, of which the SDKs still have the methods.
	{Method: get, Path: "tunedModels", Unserved: noTuning},
	{Method: post, Path: "tunedModels", Unserved: noTuning},
	{Method: get, Path: "tunedModels/{id}", Unserved: noTuning},
	{Method: patch, Path: "tunedModels/{id}", Unserved: noTuning},
	{Method: remove, Path: "tunedModels/{id}", Unserved: noTuning},
	{Method: post, Path: "tunedModels/{id}:cancel", Unserved: noTuning},
	{Method: get, Path: "tunedModels/{id}/operations/{operation}", Unserved: noTuning},

	// Google's endpoint for OpenAI's clients. https://ai.google.dev/gemini-api/docs/openai
	{Method: post, Base: OpenAI, Path: "chat/completions", Model: InBody, Counts: Requests, Candidates: true, Flow: MayStream, Makes: identified, Under: "chat/completions/", Others: true},
	{Method: post, Base: OpenAI, Path: "embeddings", Model: InBody, Counts: Requests, Pinned: true, Uncounted: true, Each: "input", Others: true},
	{Method: get, Base: OpenAI, Path: "models", Lists: "data", Others: true},
	{Method: get, Base: OpenAI, Path: "models/{model...}", Model: InPath, Others: true},
	{Method: remove, Base: OpenAI, Path: "models/{model...}", Unserved: oneOrgs},
	{Method: post, Base: OpenAI, Path: "images/generations", Model: InBody, Counts: Requests, Pinned: true, Uncounted: true, Feature: "image_output", Others: true, Flow: MayStream},
	{Method: post, Base: OpenAI, Path: "images/edits", Model: InBody, Forms: true, Counts: Requests, Pinned: true, Flow: MayStream, Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "images/variations", Model: InBody, Forms: true, Counts: Requests, Pinned: true, Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "videos", Model: InBody, Forms: true, Counts: Requests, Pinned: true, Uncounted: true, Makes: identified, Under: "openai/videos/"},
	{Method: get, Base: OpenAI, Path: "videos/{id}", Names: "videos/{id}", Under: "openai/videos/", Makes: []string{"url"}},
	{Method: get, Base: OpenAI, Path: "videos", Unserved: oneOrgs},
	{Method: remove, Base: OpenAI, Path: "videos/{id}", Unserved: oneOrgs},
	{Method: post, Base: OpenAI, Path: "videos/{id}", Unserved: oneOrgs}, // /edits, /extensions, /characters
	{Method: get, Base: OpenAI, Path: "videos/{id}/{what}", Unserved: oneOrgs},
	{Method: post, Base: OpenAI, Path: "videos/{id}/{what}", Unserved: oneOrgs},
	// The file with the requests decides the project. An ID may be spelt with batches/ before it.
	{Method: get, Base: OpenAI, Path: "batches", Lists: "data", Under: "batches/", Others: true},
	{Method: post, Base: OpenAI, Path: "batches", NamesFile: "input_file_id", ReadsLines: true, Makes: identified, Under: "batches/", Others: true},
	{Method: get, Base: OpenAI, Path: "batches/{id...}", Names: "batches/{id...}", Under: "batches/", Makes: outputs, MakesUnder: "files/", Others: true},
	{Method: post, Base: OpenAI, Path: "batches/{id...}", Names: "batches/{id...}", Under: "batches/", Others: true}, // …/cancel
	{Method: get, Base: OpenAI, Path: "files", Lists: "data", Under: "files/", Unserved: geminisOwn, Others: true},
	{Method: post, Base: OpenAI, Path: "files", Flow: Uploads, Makes: identified, Under: "files/", Unserved: geminisOwn, Others: true},
	{Method: get, Base: OpenAI, Path: "files/{id}", Names: "files/{id}", Under: "files/", Unserved: geminisOwn, Others: true},
	{Method: remove, Base: OpenAI, Path: "files/{id}", Names: "files/{id}", Under: "files/", Ends: true, Unserved: geminisOwn, Others: true},
	{Method: get, Base: OpenAI, Path: "files/{id}/content", Names: "files/{id}", Under: "files/", Flow: Downloads, Results: Lines, Unserved: geminisOwn, Others: true},
	// Chats that are kept, as one says of itself by "store". https://platform.openai.com/docs/api-reference/chat/list
	{Method: get, Base: OpenAI, Path: "chat/completions", Lists: "data", Under: "chat/completions/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "chat/completions/{id}", Names: "chat/completions/{id}", Under: "chat/completions/", Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "chat/completions/{id}", Names: "chat/completions/{id}", Under: "chat/completions/", Unserved: notGoogles, Others: true},
	{Method: remove, Base: OpenAI, Path: "chat/completions/{id}", Names: "chat/completions/{id}", Under: "chat/completions/", Ends: true, Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "chat/completions/{id}/messages", Names: "chat/completions/{id}", Under: "chat/completions/", Unserved: notGoogles, Others: true},
	// Responses, and the conversations that they may be part of, are kept unless they say
	// otherwise. https://platform.openai.com/docs/api-reference/responses, /conversations
	{Method: post, Base: OpenAI, Path: "responses", Model: InBody, Counts: Requests, Flow: MayStream, Makes: answered, Parts: items, Opens: opened, Under: "responses/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "responses/{id}", Names: "responses/{id}", Parts: items, Opens: opened, Under: "responses/", Flow: MayStream, Results: Single, Unserved: notGoogles, Others: true},
	{Method: remove, Base: OpenAI, Path: "responses/{id}", Names: "responses/{id}", Under: "responses/", Ends: true, Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "responses/{id}/cancel", Names: "responses/{id}", Under: "responses/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "responses/{id}/input_items", Names: "responses/{id}", Under: "responses/", Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "responses/input_tokens", Model: InBody, Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "responses/compact", Model: InBody, Counts: Requests, Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "conversations", Makes: identified, Under: "conversations/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "conversations/{id}", Names: "conversations/{id}", Under: "conversations/", Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "conversations/{id}", Names: "conversations/{id}", Under: "conversations/", Unserved: notGoogles, Others: true},
	{Method: remove, Base: OpenAI, Path: "conversations/{id}", Names: "conversations/{id}", Under: "conversations/", Ends: true, Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "conversations/{id}/items", Names: "conversations/{id}", Under: "conversations/", Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "conversations/{id}/items", Names: "conversations/{id}", Under: "conversations/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "conversations/{id}/items/{item}", Names: "conversations/{id}", Under: "conversations/", Unserved: notGoogles, Others: true},
	{Method: remove, Base: OpenAI, Path: "conversations/{id}/items/{item}", Names: "conversations/{id}", Under: "conversations/", Unserved: notGoogles, Others: true},
	// Vector stores and containers, with the files in them, and uploads in parts.
	// https://platform.openai.com/docs/api-reference/vector-stores, /containers, /uploads
	{Method: get, Base: OpenAI, Path: "vector_stores", Lists: "data", Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "vector_stores", Makes: identified, Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "vector_stores/{id}", Names: "vector_stores/{id}", Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "vector_stores/{id}", Names: "vector_stores/{id}", Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: remove, Base: OpenAI, Path: "vector_stores/{id}", Names: "vector_stores/{id}", Under: "vector_stores/", Ends: true, Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "vector_stores/{id}/search", Names: "vector_stores/{id}", Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "vector_stores/{id}/files", Names: "vector_stores/{id}", Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "vector_stores/{id}/files", Names: "vector_stores/{id}", Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "vector_stores/{id}/files/{file}", Names: "vector_stores/{id}", Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "vector_stores/{id}/files/{file}", Names: "vector_stores/{id}", Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: remove, Base: OpenAI, Path: "vector_stores/{id}/files/{file}", Names: "vector_stores/{id}", Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "vector_stores/{id}/files/{file}/content", Names: "vector_stores/{id}", Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "vector_stores/{id}/file_batches", Names: "vector_stores/{id}", Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "vector_stores/{id}/file_batches/{batch}", Names: "vector_stores/{id}", Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "vector_stores/{id}/file_batches/{batch}/cancel", Names: "vector_stores/{id}", Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "vector_stores/{id}/file_batches/{batch}/files", Names: "vector_stores/{id}", Under: "vector_stores/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "containers", Lists: "data", Under: "containers/", Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "containers", Makes: identified, Under: "containers/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "containers/{id}", Names: "containers/{id}", Under: "containers/", Unserved: notGoogles, Others: true},
	{Method: remove, Base: OpenAI, Path: "containers/{id}", Names: "containers/{id}", Under: "containers/", Ends: true, Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "containers/{id}/files", Names: "containers/{id}", Parts: entries, Under: "containers/", Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "containers/{id}/files", Names: "containers/{id}", Forms: true, Parts: identified, Under: "containers/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "containers/{id}/files/{file}", Names: "containers/{id}", Under: "containers/", Unserved: notGoogles, Others: true},
	{Method: remove, Base: OpenAI, Path: "containers/{id}/files/{file}", Names: "containers/{id}", Under: "containers/", Unserved: notGoogles, Others: true},
	{Method: get, Base: OpenAI, Path: "containers/{id}/files/{file}/content", Names: "containers/{id}", Under: "containers/", Flow: Downloads, Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "uploads", Makes: identified, Under: "uploads/", Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "uploads/{id}/parts", Names: "uploads/{id}", Flow: Uploads, Under: "uploads/", Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "uploads/{id}/complete", Names: "uploads/{id}", Makes: []string{"file.id"}, Under: "uploads/", MakesUnder: "files/", Assembles: true, Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "uploads/{id}/cancel", Names: "uploads/{id}", Under: "uploads/", Ends: true, Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "audio/speech", Model: InBody, Counts: Requests, Pinned: true, Flow: Streams, Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "audio/transcriptions", Model: InBody, Forms: true, Counts: Requests, Pinned: true, Flow: MayStream, Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "audio/translations", Model: InBody, Forms: true, Counts: Requests, Pinned: true, Unserved: notGoogles, Others: true},
	// What is older than chats, and whether something may be said, which names no model as a rule.
	// https://platform.openai.com/docs/api-reference/completions, /moderations
	{Method: post, Base: OpenAI, Path: "completions", Model: InBody, Counts: Requests, Pinned: true, Flow: MayStream, Unserved: notGoogles, Others: true},
	{Method: post, Base: OpenAI, Path: "moderations", Model: InBody, Default: "omni-moderation-latest", Counts: Requests, Pinned: true, Unserved: notGoogles, Others: true},

	// Anthropic's API, for providers that speak its format.
	// https://docs.claude.com/en/api/messages, /messages-count-tokens, /models-list
	{Method: post, Base: Messages, Path: "messages", Model: InBody, Counts: Requests, Flow: MayStream, Opens: opening, Others: true},
	{Method: post, Base: Messages, Path: "messages/count_tokens", Model: InBody, Others: true},
	{Method: get, Base: Messages, Path: "models", Lists: "data", Others: true},
	{Method: get, Base: Messages, Path: "models/{model}", Model: InPath, Others: true},
	// https://docs.claude.com/en/api/creating-message-batches, /files-create
	{Method: get, Base: Messages, Path: "messages/batches", Lists: "data", Under: "messages/batches/", Links: "results_url", Others: true},
	{Method: post, Base: Messages, Path: "messages/batches", Makes: identified, Under: "messages/batches/", Links: "results_url", Others: true},
	{Method: get, Base: Messages, Path: "messages/batches/{id}", Names: "messages/batches/{id}", Under: "messages/batches/", Links: "results_url", Others: true},
	{Method: remove, Base: Messages, Path: "messages/batches/{id}", Names: "messages/batches/{id}", Under: "messages/batches/", Ends: true, Others: true},
	{Method: get, Base: Messages, Path: "messages/batches/{id}/results", Names: "messages/batches/{id}", Under: "messages/batches/", Flow: Downloads, Results: Lines, Others: true},
	{Method: post, Base: Messages, Path: "messages/batches/{id}/cancel", Names: "messages/batches/{id}", Under: "messages/batches/", Links: "results_url", Others: true},
	{Method: get, Base: Messages, Path: "files", Lists: "data", Under: "files/", Others: true},
	{Method: post, Base: Messages, Path: "files", Flow: Uploads, Makes: identified, Under: "files/", Others: true},
	{Method: get, Base: Messages, Path: "files/{id}", Names: "files/{id}", Under: "files/", Others: true},
	{Method: remove, Base: Messages, Path: "files/{id}", Names: "files/{id}", Under: "files/", Ends: true, Others: true},
	{Method: get, Base: Messages, Path: "files/{id}/content", Names: "files/{id}", Under: "files/", Flow: Downloads, Others: true},
}, aside(OpenAI, "assistants", "threads", "chatkit", "evals", "fine_tuning", "skills", "realtime", "content_provenance_checks", "organization", "projects",
	"agents", "vaults", "live", "safety", "webhook_endpoints", "webhook_event_types", "audio/voices", "audio/voice_consents"),
	aside(Messages, "complete", "skills", "agents", "environments", "sessions", "vaults", "memory_stores", "deployments", "deployment_runs", "dreams", "tunnels", "user_profiles", "organizations", "compliance"))

// aside returns rows for collections of other providers, and all in them, that are known and not served: what can be asked
// for with the SDKs of OpenAI (November 2026) and Anthropic (August 2026).
func aside(base Base, collections ...string) (rows []Route) {
	for _, c := range collections {
		for _, path := range []string{c, c + "/{path...}"} {
			for _, method := range []string{get, post, remove} {
				rows = append(rows, Route{Method: method, Base: base, Path: path, Unserved: oneOrgs})
			}
		}
	}
	return rows
}
